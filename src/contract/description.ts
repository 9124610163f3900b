// An operation as plain JSON, for surfaces that must not load schemas: CLI grammar, `capability explain`, OpenAPI, MCP.
// It must never hold a function: it is built once and may be baked into the binary.
// Next: registry.ts makes descriptions; surface/cli reads them.

import type { CliShape, Effect, ErrorDeclaration, Example } from "./operation.ts";

/** JSON Schema (draft 2020-12) as zod emits it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** One direction of a call, as data. */
export type StreamDescription =
  | { readonly kind: "bytes"; readonly channels: readonly string[] }
  | { readonly kind: "values"; readonly item: JsonSchema };

/** Everything a surface derives from. */
export interface OperationDescription {
  /** `fs.read` */
  readonly id: string;
  readonly capability: string;
  readonly name: string;
  readonly summary: string;
  readonly description?: string;
  readonly effect: Effect;
  readonly input: JsonSchema;
  readonly output: JsonSchema;
  readonly sends?: StreamDescription;
  readonly receives?: StreamDescription;
  readonly errors: Readonly<Record<string, ErrorDeclaration>>;
  readonly cli: CliShape;
  readonly examples: readonly Example[];
  readonly lifetime: "bounded" | "unbounded";
}

/** A capability as data. */
export interface CapabilityDescription {
  readonly id: string;
  readonly summary: string;
  /** Key of its section below `policy` in the configuration, when it has one. */
  readonly settings_key?: string;
  readonly operations: readonly OperationDescription[];
}
