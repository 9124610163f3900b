// The SDK's types written out from the definitions, so that the published package needs neither zod's types nor the sources.
import type {
  CapabilityDescription,
  JsonSchema,
  OperationDescription,
  StreamDescription,
} from "../src/contract/description.ts";

/** Source of a declaration file that exports `Capabilities` and `Peer`. */
export function peerTypes(manifest: readonly CapabilityDescription[]): string {
  const groups = manifest.map(
    ({ id, summary, operations }) =>
      `  /** ${plain(summary)} */\n  readonly ${id}: {\n${operations.map(methodType).join("\n")}\n  };`,
  );
  return `import type { CommandTag } from "./sdk_command.js";
import type { PeerCallOptions, StreamingCall } from "./sdk_peer.js";
/** A node's capabilities as properties, their operations as methods. */
export interface Capabilities {
${groups.join("\n")}
}
/** A node: its capabilities as properties, their operations as methods, and \`$\` to run commands. */
export type Peer = Capabilities & {
  /** Runs a command: words as written, values as whole arguments, never through a shell. */
  readonly $: CommandTag;
};
`;
}

function methodType(operation: OperationDescription): string {
  const { name, summary, input, output, sends, receives, errors } = operation;
  const options = `PeerCallOptions<${receives ? itemType(receives) : "never"}>`;
  const result = sends
    ? `StreamingCall<${itemType(sends)}, ${typeOf(output)}>`
    : `Promise<${typeOf(output)}>`;
  const codes = Object.keys(errors).map((error) => `${operation.capability}.${error}`);
  const raises = codes.length === 0 ? "" : ` Raises ${codes.join(", ")}.`;
  return `    /** ${plain(summary)}.${raises} */\n    ${name}(input: ${typeOf(input)}, options?: ${options}): ${result};`;
}

function itemType(stream: StreamDescription): string {
  if (stream.kind === "values") return typeOf(stream.item);
  if (stream.channels.length === 0) return "Uint8Array";
  const channels = stream.channels.map((channel) => JSON.stringify(channel)).join(" | ");
  return `{ channel: ${channels}; bytes: Uint8Array }`;
}

/** A type for JSON Schema as zod writes it; what has no equivalent is `unknown`. */
export function typeOf(schema: JsonSchema): string {
  if ("const" in schema) return JSON.stringify(schema.const);
  if (Array.isArray(schema.enum))
    return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(choices)) return choices.map((choice) => `(${typeOf(choice)})`).join(" | ");
  switch (schema.type) {
    case "string":
      return "string";
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "null":
      return "null";
    case "array":
      return arrayType(schema);
    case "object":
      return objectType(schema);
    default:
      return "unknown";
  }
}

function arrayType({ items, prefixItems }: JsonSchema): string {
  if (Array.isArray(prefixItems)) return `readonly [${prefixItems.map(typeOf).join(", ")}]`;
  return items === undefined ? "readonly unknown[]" : `readonly (${typeOf(items as JsonSchema)})[]`;
}

function objectType({ properties = {}, required = [], additionalProperties }: JsonSchema): string {
  const fields = Object.entries(properties as Record<string, JsonSchema>).map(([name, field]) => {
    const isOptional = !(required as readonly string[]).includes(name) || "default" in field;
    const comment =
      typeof field.description === "string" ? `/** ${plain(field.description)} */ ` : "";
    return `${comment}readonly ${JSON.stringify(name)}${isOptional ? "?" : ""}: ${typeOf(field)}`;
  });
  if (fields.length > 0) return `{ ${fields.join("; ")} }`;
  if (typeof additionalProperties === "object" && additionalProperties !== null)
    return `Readonly<Record<string, ${typeOf(additionalProperties as JsonSchema)}>>`;
  return additionalProperties === false
    ? "Readonly<Record<string, never>>"
    : "Readonly<Record<string, unknown>>";
}

/** A text inside a comment. */
function plain(text: string): string {
  return text.replaceAll("*/", "* /").replace(/\s+/g, " ");
}
