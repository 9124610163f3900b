// The flags and positional arguments of a command, derived from its input schema and CLI shape.
// It must never decide what a value means to a node: only how a word becomes JSON.
// Next: scan.ts reads argv by them, input.ts converts what was read, help.ts lists them.

import type { JsonSchema, OperationDescription } from "../../contract/description.ts";
import type { CliArgument } from "../../contract/operation.ts";
import { type Command, kebab } from "./grammar.ts";
import type { Flag, FlagKind, VerbArgument } from "./verb.ts";

/** What a flag feeds: an input field, or one of the things a call has beside its input. */
export interface CommandFlag extends Flag {
  readonly target:
    | { readonly kind: "field"; readonly field: string; readonly fileInto: boolean }
    | {
        readonly kind:
          | "node"
          | "argv"
          | "text"
          | "file"
          | "save"
          | "nodes"
          | "listen"
          | "expose"
          | "to"
          | "variant"
          | "verb";
      };
}

/** A positional argument of any command. */
export interface CommandArgument extends VerbArgument {
  /** The node to call, or the argument as the operation declares it. */
  readonly source: "node" | "verb" | CliArgument;
}

/** Flags of every command; a command's own flag of the same name takes precedence after it. */
export const GLOBAL_FLAGS: readonly Flag[] = [
  { name: "json", kind: "boolean", summary: "Print JSON: one document, or one value a line" },
  { name: "quiet", short: "q", kind: "boolean", summary: "Print the result and nothing else" },
  { name: "verbose", short: "v", kind: "boolean", summary: "Also print decisions and causes" },
  { name: "yes", short: "y", kind: "boolean", summary: "Do not ask before something is removed" },
  { name: "no-color", kind: "boolean", summary: "No colours, as when NO_COLOR is set" },
  { name: "timeout-secs", kind: "number", value: "SECS", summary: "Give up after this long" },
  { name: "config", kind: "string", value: "FILE", summary: "Configuration to use" },
  { name: "home", kind: "string", value: "DIR", summary: "Home to use instead of ~/.operon" },
  { name: "identity", kind: "string", value: "FILE", summary: "Private key to sign with" },
  { name: "help", short: "h", kind: "boolean", summary: "Show help for the command" },
  { name: "version", short: "V", kind: "boolean", summary: "Show the version" },
];

/** The command's own flags. */
export function flagsOf(command: Command): readonly CommandFlag[] {
  if (command.kind === "verb") {
    return (command.verb.flags ?? []).map((flag) => ({ ...flag, target: { kind: "verb" } }));
  }
  const fields = fieldFlags(command.operation);
  return [...fields, ...besideFlags(command, new Set(fields.map(({ name }) => name)))];
}

/** The command's positional arguments, in order. */
export function argumentsOf(command: Command): readonly CommandArgument[] {
  if (command.kind === "verb") {
    return (command.verb.args ?? []).map((argument) => ({ ...argument, source: "verb" }));
  }
  const { cli, input } = command.operation;
  const args: CommandArgument[] = [];
  if (cli.node === "argument") args.push({ name: "node", summary: "Node to ask", source: "node" });
  if (cli.node === "optional") {
    args.push({
      name: "node",
      summary: "Node to ask; default: the own one",
      optional: true,
      source: "node",
    });
  }
  for (const argument of cli.args ?? []) {
    const summary = textOf(propertiesOf(input)[argument.field], "description");
    args.push({
      name: argument.form === "node_path" ? `node:/${argument.field}` : kebab(argument.field),
      ...(summary === undefined ? {} : { summary }),
      optional: argument.optional === true,
      variadic: argument.variadic === true,
      source: argument,
    });
  }
  return args;
}

/** The schemas of an object schema's fields. */
export function propertiesOf(schema: JsonSchema): Readonly<Record<string, JsonSchema>> {
  return (schema.properties ?? {}) as Readonly<Record<string, JsonSchema>>;
}

/** How a word becomes a value of this schema. */
export function kindOf(schema: JsonSchema): FlagKind {
  const type = typeOf(schema);
  if (type === "string" || type === "integer" || type === "number" || type === "boolean")
    return type;
  if (type === "array") {
    const item = kindOf((schema.items ?? {}) as JsonSchema);
    return item === "json" || item === "list" || item === "map" ? "json" : "list";
  }
  if (type === "object" && schema.properties === undefined) {
    const value = kindOf((schema.additionalProperties ?? {}) as JsonSchema);
    return value === "json" || value === "list" || value === "map" ? "json" : "map";
  }
  return "json";
}

/** Values an enum or constant schema allows, as words. */
export function choicesOf(schema: JsonSchema): readonly string[] | undefined {
  if (Array.isArray(schema.enum)) return schema.enum.map(String);
  if (schema.const !== undefined) return [String(schema.const)];
  return undefined;
}

function fieldFlags(operation: OperationDescription): readonly CommandFlag[] {
  const { cli } = operation;
  const taken = new Set((cli.args ?? []).map((argument) => argument.field));
  if (cli.rest) taken.add(cli.rest.argv).add(cli.rest.shell);
  const required = new Set((operation.input.required ?? []) as readonly string[]);
  const flags: CommandFlag[] = [];
  for (const [field, schema] of Object.entries(propertiesOf(operation.input))) {
    if (!taken.has(field)) {
      flags.push(fieldFlag(operation, { field, schema, required: required.has(field) }));
    }
  }
  return flags;
}

interface Field {
  readonly field: string;
  readonly schema: JsonSchema;
  readonly required: boolean;
}

function fieldFlag({ cli }: OperationDescription, { field, schema, required }: Field): CommandFlag {
  const shape = cli.flags?.[field];
  const summary = shape?.summary ?? textOf(schema, "description");
  const kind = kindOf(schema);
  const item = itemOf(schema, kind);
  const choices = choicesOf(item);
  return {
    name: shape?.flag ?? kebab(field),
    kind,
    target: { kind: "field", field, fileInto: shape?.file_into === true },
    ...(shape?.short === undefined ? {} : { short: shape.short }),
    ...(summary === undefined ? {} : { summary }),
    ...(choices === undefined ? {} : { choices }),
    ...(shape?.completes_from === undefined ? {} : { completes_from: shape.completes_from }),
    ...(shape?.form === undefined ? {} : { form: shape.form }),
    ...(item === schema ? {} : { item: kindOf(item) }),
    ...(schema.default === undefined ? {} : { default: schema.default }),
    required: required && schema.default === undefined,
    hidden: shape?.hidden === true,
  };
}

/** The schema of a list's items or a map's values; the schema itself for everything else. */
function itemOf(schema: JsonSchema, kind: FlagKind): JsonSchema {
  if (kind === "list") return (schema.items ?? {}) as JsonSchema;
  return kind === "map" ? ((schema.additionalProperties ?? {}) as JsonSchema) : schema;
}

/** Flags for what a call has beside its input: its node, its streams, how words after `--` are read. */
function besideFlags(
  { operation, forward, variants = [] }: Extract<Command, { kind: "operation" }>,
  taken: ReadonlySet<string>,
): readonly CommandFlag[] {
  const { cli } = operation;
  const flags: CommandFlag[] = [];
  const add = (flag: CommandFlag) => {
    if (!taken.has(flag.name)) flags.push(flag);
  };
  if (forward) return LISTEN_FLAGS;
  if (cli.publish) add(TO_FLAG);
  for (const { flag, summary } of variants)
    add({ name: flag, kind: "boolean", summary, target: { kind: "variant" } });
  if (cli.receives?.text_flag) {
    add({
      name: cli.receives.text_flag,
      kind: "string",
      value: "TEXT",
      summary: "Send this text",
      target: { kind: "text" },
    });
  }
  if (cli.receives?.file_flag) {
    add({
      name: cli.receives.file_flag,
      kind: "string",
      value: "FILE",
      summary: "Send this local file",
      target: { kind: "file" },
    });
  }
  if (cli.sends?.file_flag) {
    add({
      name: cli.sends.file_flag,
      short: "o",
      kind: "string",
      value: "FILE",
      summary: "Write to this local file",
      target: { kind: "save" },
    });
  }
  if (cli.saves_nodes) {
    add({
      name: cli.saves_nodes.flag,
      kind: "string",
      value: "FILE",
      summary: "Add the nodes to this local configuration, but for those in conflict",
      target: { kind: "nodes" },
    });
  }
  if (cli.rest) {
    add({
      name: "argv",
      kind: "boolean",
      summary: "Never use a shell, not even for a single word after --",
      target: { kind: "argv" },
    });
  }
  if (cli.node === "optional" && cli.args) {
    add({
      name: "node",
      kind: "string",
      value: "NODE",
      summary: "Node to ask, when an argument could be taken for it",
      target: { kind: "node" },
    });
  }
  return flags;
}

/** Flags of a command that opens a local port. */
const LISTEN_FLAGS: readonly CommandFlag[] = [
  {
    name: "listen",
    kind: "string",
    value: "HOST:PORT",
    summary: "Where to listen, or a port on 127.0.0.1; 0 is any that is free",
    default: "127.0.0.1:0",
    target: { kind: "listen" },
  },
  {
    name: "expose",
    kind: "boolean",
    summary: "Let other machines connect: whoever reaches the port acts in your name",
    target: { kind: "expose" },
  },
];

const TO_FLAG: CommandFlag = {
  name: "to",
  kind: "string",
  value: "HOST:PORT",
  summary: "Where connections go to, as this machine sees it, or a port of 127.0.0.1",
  required: true,
  target: { kind: "to" },
};

function typeOf(schema: JsonSchema): string | undefined {
  if (typeof schema.type === "string") return schema.type;
  const first = Array.isArray(schema.enum) ? schema.enum[0] : schema.const;
  if (typeof first === "string") return "string";
  if (typeof first === "number") return "number";
  // A nullable or widened field is typed on the command line as what it is apart from null.
  if (Array.isArray(schema.anyOf)) {
    const types = (schema.anyOf as readonly JsonSchema[])
      .map(typeOf)
      .filter((type) => type !== "null");
    return new Set(types).size === 1 ? types[0] : undefined;
  }
  return undefined;
}

function textOf(schema: JsonSchema | undefined, key: string): string | undefined {
  const text = schema?.[key];
  return typeof text === "string" ? text : undefined;
}
