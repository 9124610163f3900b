// All capabilities of a node by operation id. Refuses duplicates and ill-formed names when it is built.
// It must never be changed after that: what a node can do is fixed at start.
// Next: builtin.ts lists the built-in capabilities; node/invoke.ts looks operations up here.

import { z } from "zod";
import { OperonError } from "../error.ts";
import type { AnyCapability } from "./capability.ts";
import type {
  CapabilityDescription,
  JsonSchema,
  OperationDescription,
  StreamDescription,
} from "./description.ts";
import type { AnyOperation, StreamShape } from "./operation.ts";

const NAME = /^[a-z][a-z0-9_]{0,31}$/;

/** An operation with the capability it belongs to. */
export interface RegisteredOperation {
  readonly id: string;
  readonly name: string;
  readonly capability: AnyCapability;
  readonly operation: AnyOperation;
}

/** The operations of a node. */
export class Registry {
  readonly capabilities: readonly AnyCapability[];
  readonly #operations = new Map<string, RegisteredOperation>();

  /** @throws OperonError `registry.duplicate`, `registry.name_invalid` */
  constructor(capabilities: readonly AnyCapability[]) {
    this.capabilities = capabilities;
    for (const capability of capabilities) {
      assertName(capability.id);
      for (const [name, operation] of Object.entries(
        capability.operations as Record<string, AnyOperation>,
      )) {
        assertName(name);
        const id = `${capability.id}.${name}`;
        if (this.#operations.has(id)) {
          throw new OperonError({
            code: "registry.duplicate",
            kind: "already_exists",
            message: `Operation ${id} is defined twice`,
            hint: "Rename one of the capabilities that define it",
          });
        }
        this.#operations.set(id, { id, name, capability, operation });
      }
    }
  }

  /** The operation with this id, if there is one. */
  find(id: string): RegisteredOperation | undefined {
    return this.#operations.get(id);
  }

  /** All operations, in definition order. */
  get operations(): readonly RegisteredOperation[] {
    return [...this.#operations.values()];
  }

  /** Ids of all operations, in definition order. */
  get ids(): readonly string[] {
    return [...this.#operations.keys()];
  }

  /** Everything as plain JSON, for surfaces. */
  describe(): readonly CapabilityDescription[] {
    return this.capabilities.map((capability) => ({
      id: capability.id,
      summary: capability.summary,
      ...(capability.settings ? { settings_key: capability.settings_key } : {}),
      operations: [...this.#operations.values()]
        .filter((entry) => entry.capability === capability)
        .map(describeOperation),
    }));
  }
}

/** One operation as plain JSON. */
export function describeOperation({
  id,
  name,
  capability,
  operation,
}: RegisteredOperation): OperationDescription {
  return {
    id,
    capability: capability.id,
    name,
    summary: operation.summary,
    ...(operation.description === undefined ? {} : { description: operation.description }),
    effect: operation.effect,
    input: jsonSchema(operation.input, "input"),
    output: jsonSchema(operation.output, "output"),
    ...(operation.sends ? { sends: describeStream(operation.sends) } : {}),
    ...(operation.receives ? { receives: describeStream(operation.receives) } : {}),
    errors: operation.errors,
    cli: operation.cli,
    examples: operation.examples,
    lifetime: operation.lifetime,
  };
}

function describeStream(shape: StreamShape): StreamDescription {
  return shape.kind === "bytes"
    ? { kind: "bytes", channels: shape.channels }
    : { kind: "values", item: jsonSchema(shape.item, "output") };
}

function jsonSchema(schema: z.ZodType, io: "input" | "output"): JsonSchema {
  return z.toJSONSchema(schema, { io, unrepresentable: "any" }) as JsonSchema;
}

function assertName(name: string): void {
  if (NAME.test(name)) return;
  throw new OperonError({
    code: "registry.name_invalid",
    kind: "invalid_argument",
    message: `"${name}" cannot name a capability or an operation`,
    hint: "Use lower case letters, digits and underscores, a letter first, at most 32",
  });
}
