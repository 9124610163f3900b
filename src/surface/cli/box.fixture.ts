// A capability that no node has, with an operation for every shape of command line; for tests of the CLI.
import type { CapabilityDescription, OperationDescription } from "../../contract/description.ts";

const string = { type: "string" };
const base = {
  capability: "box",
  effect: "read",
  output: { type: "object" },
  errors: {},
  examples: [],
  lifetime: "bounded",
} as const;

function op(
  name: string,
  parts: Partial<OperationDescription> & Pick<OperationDescription, "cli">,
): OperationDescription {
  return {
    ...base,
    id: `box.${name}`,
    name,
    summary: `Do ${name}`,
    input: { type: "object", properties: {} },
    ...parts,
  };
}

/** The capability `box`. */
export const BOX: CapabilityDescription = {
  id: "box",
  summary: "Boxes",
  operations: [
    op("open", {
      description: "Opens it.",
      input: {
        type: "object",
        required: ["path"],
        properties: {
          path: { ...string, description: "Where it is" },
          count: { type: "integer", default: 1, description: "How many" },
          ratio: { type: "number" },
          force: { type: "boolean", default: false },
          maybe: { type: "boolean" },
          color: { ...string, enum: ["red", "green"] },
          tags: { type: "array", items: string },
          sizes: { type: "array", items: { type: "integer" } },
          env: { type: "object", additionalProperties: string },
          nested: { type: "object", properties: { a: string } },
          no_wait: { type: "boolean", default: false },
          constructor: string,
        },
      },
      cli: {
        node: "path",
        args: [{ field: "path", form: "node_path" }],
        flags: { force: { short: "f" }, count: { short: "c" }, maybe: { short: "m" } },
        aliases: ["unlock"],
      },
    }),
    op("pair", {
      input: { type: "object", properties: { path: string, to: string } },
      cli: {
        node: "path",
        args: [
          { field: "path", form: "node_path" },
          { field: "to", form: "node_path" },
        ],
      },
    }),
    op("ask", {
      input: {
        type: "object",
        required: ["what"],
        properties: { what: string, more: { type: "integer" }, who: string },
      },
      cli: { node: "optional", args: [{ field: "what" }, { field: "more", optional: true }] },
    }),
    op("many", {
      input: { type: "object", properties: { names: { type: "array", items: string } } },
      cli: { node: "argument", args: [{ field: "names", variadic: true }] },
    }),
    op("need", {
      input: { type: "object", required: ["key"], properties: { key: string } },
      cli: { node: "local" },
    }),
    op("text", {
      input: { type: "object", properties: { text: string, id: string, body: string } },
      cli: { node: "local", args: [{ field: "id", file_into: "body" }] },
    }),
    op("file", {
      input: { type: "object", properties: { text: string } },
      cli: { node: "local", args: [{ field: "text", file_into: "text" }] },
    }),
    op("run", {
      effect: "execute",
      input: {
        type: "object",
        properties: {
          argv: { type: "array", items: string },
          command: string,
          timeout_secs: { type: "number" },
        },
      },
      sends: { kind: "bytes", channels: ["stdout", "stderr"] },
      receives: { kind: "bytes", channels: [] },
      cli: {
        node: "argument",
        rest: { argv: "argv", shell: "command" },
        receives: { stdin: "piped" },
        exit_code: "exit_code",
        view: { kind: "bytes" },
      },
    }),
    op("put", {
      effect: "write",
      input: { type: "object", properties: { path: string } },
      receives: { kind: "bytes", channels: [] },
      cli: {
        node: "path",
        args: [{ field: "path", form: "node_path" }],
        receives: { text_flag: "content", file_flag: "file", stdin: "piped" },
        view: { kind: "none" },
      },
    }),
    op("get", {
      input: { type: "object", properties: { path: string } },
      sends: { kind: "bytes", channels: [] },
      cli: {
        node: "path",
        args: [{ field: "path", form: "node_path" }],
        sends: { file_flag: "output" },
        view: { kind: "bytes" },
      },
    }),
    op("list", {
      sends: { kind: "values", item: {} },
      cli: { node: "local", view: { kind: "table", columns: ["name", "size"] } },
    }),
    op("watch", {
      lifetime: "unbounded",
      sends: { kind: "values", item: {} },
      cli: { node: "local", view: { kind: "line", template: "{name}: {size}" } },
    }),
    op("feed", {
      receives: { kind: "values", item: {} },
      cli: {
        node: "local",
        receives: { stdin: "always" },
        view: { kind: "line", template: "{n}" },
      },
    }),
    op("burn", {
      effect: "destroy",
      summary: "Burn a box",
      input: { type: "object", properties: { path: string } },
      cli: { node: "path", args: [{ field: "path", form: "node_path" }], view: { kind: "none" } },
    }),
    op("secret", { cli: { node: "local", hidden: true } }),
  ],
};
