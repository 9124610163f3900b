// The types of the SDK's nodes written out from the definitions, with their documentation: the published package needs
// neither the sources nor zod for them. test/sdk_package.test.ts holds them against what src/sdk/typed_peer.ts derives.
import type {
  CapabilityDescription,
  JsonSchema,
  OperationDescription,
  StreamDescription,
} from "../src/contract/description.ts";

const INDENT = "  ";

/** What src/sdk/typed_peer.ts comes to, as source. */
export function peerTypes(manifest: readonly CapabilityDescription[]): string {
  const groups = manifest.map(({ id, summary, operations }) => {
    const methods = operations.map((operation) => methodType(operation)).join("\n");
    return `${comment([summary], 1)}${INDENT}readonly ${id}: {\n${methods}\n${INDENT}};`;
  });
  const codes = manifest.flatMap(({ id, operations }) =>
    operations.flatMap(({ errors }) => Object.keys(errors).map((name) => `"${id}.${name}"`)),
  );
  return `import type { CommandTag } from "./command.ts";
import type { PeerCallOptions, StreamingCall } from "./peer.ts";

/** A node's capabilities as properties, their operations as methods. */
export interface Capabilities {
${groups.join("\n")}
}

/** A node: its capabilities as properties, their operations as methods, and \`$\` to run commands. */
export interface Peer extends Capabilities {
  /** Runs a command: words as written, values as whole arguments, never through a shell. */
  readonly $: CommandTag;
}

/** Codes of the errors that operations declare. A node, the way to it and the SDK itself have others: \`policy.denied\`. */
export type OperationErrorCode =
${[...new Set(codes)].map((code) => `${INDENT}| ${code}`).join("\n")};
`;
}

function methodType(operation: OperationDescription): string {
  const { name, input, output, sends, receives } = operation;
  const options = `PeerCallOptions<${receives ? itemType(receives) : "never"}>`;
  const result = sends
    ? `StreamingCall<${itemType(sends)}, ${typeOf(output, 2)}>`
    : `Promise<${typeOf(output, 2)}>`;
  const text = comment(documentation(operation), 2);
  return `${text}${INDENT.repeat(2)}${name}(input: ${typeOf(input, 2)}, options?: ${options}): ${result};`;
}

function documentation({ capability, name, summary, description, ...rest }: OperationDescription) {
  const lines = [`${summary}.`];
  if (description !== undefined) lines.push("", description);
  const errors = Object.entries(rest.errors);
  const examples = rest.examples.filter(({ error }) => error === undefined);
  if (errors.length > 0 || examples.length > 0) lines.push("");
  for (const { input } of examples)
    lines.push(`@example node.${capability}.${name}(${JSON.stringify(input)})`);
  for (const [error, { kind, message }] of errors)
    lines.push(`@throws OperonError \`${capability}.${error}\` (${kind}): ${message}`);
  return lines;
}

function itemType(stream: StreamDescription): string {
  if (stream.kind === "values") return typeOf(stream.item, 2);
  if (stream.channels.length === 0) return "Uint8Array";
  const channels = stream.channels.map((channel) => JSON.stringify(channel)).join(" | ");
  return `{ readonly channel: ${channels}; readonly bytes: Uint8Array }`;
}

/** A type for JSON Schema as zod writes it. @throws Error for what has no type here: better than one that is wrong */
export function typeOf(schema: JsonSchema, depth: number): string {
  if ("const" in schema) return JSON.stringify(schema.const);
  if (Array.isArray(schema.enum))
    return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(choices))
    return choices.map((choice) => parenthesized(typeOf(choice, depth))).join(" | ");
  if (Array.isArray(schema.allOf))
    return schema.allOf.map((part) => parenthesized(typeOf(part, depth))).join(" & ");
  // What JSON has no word for, as schemas mark it.
  if (schema.type === undefined && schema.format === "bytes") return "Uint8Array";
  switch (schema.type) {
    case "string":
    case "boolean":
    case "null":
      return schema.type;
    case "integer":
    case "number":
      return "number";
    case "array":
      return arrayType(schema, depth);
    case "object":
      return objectType(schema, depth);
  }
  const known = new Set(["$schema", "description", "default", "title"]);
  if (Object.keys(schema).every((key) => known.has(key))) return "unknown";
  throw new Error(`No type for the schema ${JSON.stringify(schema).slice(0, 300)}`);
}

function parenthesized(type: string): string {
  return /^[\w"]+$/.test(type) ? type : `(${type})`;
}

function arrayType({ items, prefixItems }: JsonSchema, depth: number): string {
  if (Array.isArray(prefixItems))
    return `readonly [${prefixItems.map((item) => typeOf(item, depth)).join(", ")}]`;
  if (items === undefined) return "readonly unknown[]";
  return `readonly ${parenthesized(typeOf(items as JsonSchema, depth))}[]`;
}

function objectType(
  { properties = {}, required = [], additionalProperties }: JsonSchema,
  depth: number,
): string {
  const fields = Object.entries(properties as Record<string, JsonSchema>).map(([name, field]) => {
    const { description } = field;
    const text = typeof description === "string" ? comment([description], depth + 1) : "";
    const key = /^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name);
    const isOptional = !(required as readonly string[]).includes(name);
    const type = typeOf(field, depth + 1);
    const value = isOptional ? `?: ${type} | undefined` : `: ${type}`;
    return `${text}${INDENT.repeat(depth + 1)}readonly ${key}${value};\n`;
  });
  if (fields.length > 0) return `{\n${fields.join("")}${INDENT.repeat(depth)}}`;
  if (typeof additionalProperties === "object" && additionalProperties !== null)
    return `Readonly<Record<string, ${typeOf(additionalProperties as JsonSchema, depth)}>>`;
  return additionalProperties === false
    ? "Readonly<Record<string, never>>"
    : "Readonly<Record<string, unknown>>";
}

function comment(lines: readonly string[], depth: number): string {
  const indent = INDENT.repeat(depth);
  const texts = lines.map((line) => line.replaceAll("*/", "*\\/").replace(/\s+/g, " ").trim());
  if (texts.length === 1) return `${indent}/** ${texts[0]} */\n`;
  return `${indent}/**\n${texts.map((text) => `${indent} * ${text}`.trimEnd()).join("\n")}\n${indent} */\n`;
}
