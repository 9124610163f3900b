// The command line's grammar, derived from the operations' descriptions and the hand-written verbs.
// It must never know a command by name, nor load a schema library: it works on plain JSON.
// Next: parse.ts reads words by it, help.ts shows it, completion can walk it.

import type {
  CapabilityDescription,
  JsonSchema,
  OperationDescription,
} from "../../contract/description.ts";

/** A flag as a user types it. */
export interface Flag {
  /** `expected-version` */
  readonly name: string;
  readonly short: string | undefined;
  readonly summary: string;
  readonly kind: "boolean" | "text" | "integer" | "number" | "list" | "map" | "json";
  readonly choices: readonly string[] | undefined;
  readonly isRequired: boolean;
  readonly byDefault: unknown;
  /** Where its value goes. */
  readonly target:
    | { readonly to: "input"; readonly field: string; readonly isFile: boolean }
    | { readonly to: "receives"; readonly isFile: boolean }
    | { readonly to: "sends" };
}

/** A positional argument. */
export interface Argument {
  readonly name: string;
  readonly field: string | undefined;
  readonly form: "value" | "node" | "node_path";
  readonly isOptional: boolean;
  readonly isVariadic: boolean;
  readonly fileInto: string | undefined;
}

/** An operation as a command. */
export interface Command {
  readonly words: readonly string[];
  readonly operation: OperationDescription;
  readonly args: readonly Argument[];
  readonly flags: readonly Flag[];
}

/** The command of an operation. */
export function commandOf(operation: OperationDescription): Command {
  return {
    words: [operation.capability, operation.name],
    operation,
    args: argumentsOf(operation),
    flags: flagsOf(operation),
  };
}

/** An operation by its words; aliases count. */
export function findOperation(
  capability: CapabilityDescription,
  word: string,
): OperationDescription | undefined {
  const visible = visibleOperations(capability);
  return (
    visible.find(({ name }) => name === word) ??
    visible.find(({ cli }) => cli.aliases?.includes(word))
  );
}

/** Operations that have a command. */
export function visibleOperations(
  capability: CapabilityDescription,
): readonly OperationDescription[] {
  return capability.operations.filter(({ cli }) => !cli.hidden);
}

function argumentsOf({ cli }: OperationDescription): Argument[] {
  const declared = (cli.args ?? []).map(
    (arg): Argument => ({
      name: arg.form === "node_path" ? "node:/path" : arg.field.replaceAll("_", "-"),
      field: arg.field,
      form: arg.form ?? "value",
      isOptional: arg.optional ?? false,
      isVariadic: arg.variadic ?? false,
      fileInto: arg.file_into,
    }),
  );
  const isNamed = cli.node === "argument" || cli.node === "optional";
  if (!isNamed) return declared;
  const node: Argument = {
    name: "node",
    field: undefined,
    form: "node",
    isOptional: cli.node === "optional",
    isVariadic: false,
    fileInto: undefined,
  };
  return [node, ...declared];
}

function flagsOf(operation: OperationDescription): Flag[] {
  const { cli, input, receives, sends } = operation;
  const properties = propertiesOf(input);
  const required = new Set((input.required as string[] | undefined) ?? []);
  const positional = new Set((cli.args ?? []).map((arg) => arg.field));
  const rest = new Set(cli.rest ? [cli.rest.argv, cli.rest.shell] : []);
  const flags = Object.entries(properties)
    .filter(([field]) => !positional.has(field) && !rest.has(field) && !cli.flags?.[field]?.hidden)
    .map(([field, schema]) =>
      flagOf(field, schema, { operation, isRequired: required.has(field) }),
    );
  const text = cli.receives?.text_flag;
  const file = cli.receives?.file_flag;
  if (receives && text)
    flags.push(streamFlag(text, "Send this text", { to: "receives", isFile: false }));
  if (receives && file)
    flags.push(
      streamFlag(file, "Send the content of this local file", { to: "receives", isFile: true }),
    );
  if (sends && cli.sends?.file_flag)
    flags.push(streamFlag(cli.sends.file_flag, "Write to this local file", { to: "sends" }));
  if (cli.rest)
    flags.push(
      streamFlag(
        "argv",
        "Run the words after -- as they are, without a shell",
        { to: "input", field: "--", isFile: false },
        "boolean",
      ),
    );
  return flags;
}

function streamFlag(
  name: string,
  summary: string,
  target: Flag["target"],
  kind: Flag["kind"] = "text",
): Flag {
  return {
    name,
    short: undefined,
    summary,
    kind,
    choices: undefined,
    isRequired: false,
    byDefault: undefined,
    target,
  };
}

function flagOf(
  field: string,
  schema: JsonSchema,
  { operation, isRequired }: { operation: OperationDescription; isRequired: boolean },
): Flag {
  const shape = operation.cli.flags?.[field];
  return {
    name: shape?.flag ?? field.replaceAll("_", "-"),
    short: shape?.short,
    summary: shape?.summary ?? (schema.description as string | undefined) ?? "",
    kind: kindOf(schema),
    choices: choicesOf(schema),
    isRequired: isRequired && schema.default === undefined,
    byDefault: schema.default,
    target: { to: "input", field, isFile: shape?.file_into ?? false },
  };
}

function kindOf(schema: JsonSchema): Flag["kind"] {
  switch (schema.type) {
    case "boolean":
      return "boolean";
    case "integer":
      return "integer";
    case "number":
      return "number";
    case "string":
      return "text";
    case "array":
      return (schema.items as JsonSchema | undefined)?.type === "string" ? "list" : "json";
    case "object":
      return (schema.additionalProperties as JsonSchema | undefined)?.type === "string"
        ? "map"
        : "json";
    default:
      return choicesOf(schema) ? "text" : "json";
  }
}

function choicesOf(schema: JsonSchema): readonly string[] | undefined {
  const item = schema.type === "array" ? (schema.items as JsonSchema | undefined) : schema;
  const choices = item?.enum as unknown[] | undefined;
  return choices?.every((choice) => typeof choice === "string") ? (choices as string[]) : undefined;
}

/** Fields of an input schema. */
export function propertiesOf(schema: JsonSchema): Readonly<Record<string, JsonSchema>> {
  return (schema.properties as Record<string, JsonSchema> | undefined) ?? {};
}
