// The configuration's schema as JSON Schema, for editors (`# yaml-language-server: $schema=…`).
// It must never be what a file is checked with: schema.ts is, and knows more.
// Next: `operon config schema` prints it; problems.ts looks up which keys a place may have.

import { z } from "zod";
import { configSchema, type SettingsSchemas } from "./schema.ts";

/** Name of the schema file that is written beside a configuration. */
export const SCHEMA_FILE_NAME = "config.schema.json";

/** JSON Schema (draft 7, which editors understand best) of the configuration as people write it. */
export function configJsonSchema(settings: SettingsSchemas): Readonly<Record<string, unknown>> {
  const schema = z.toJSONSchema(configSchema(settings), {
    io: "input",
    target: "draft-7",
    unrepresentable: "any",
  });
  return {
    ...schema,
    title: "operon configuration",
    description: "~/.operon/config.yaml: how a machine serves and calls, and who may do what on it",
  };
}

/** The schema as the text of a file. */
export function configJsonSchemaText(settings: SettingsSchemas): string {
  return `${JSON.stringify(configJsonSchema(settings), null, 2)}\n`;
}

/** Keys a JSON Schema allows at a path, in order; through every branch of a union. */
export function keysAllowedAt(
  schema: Readonly<Record<string, unknown>>,
  path: readonly PropertyKey[],
): readonly string[] {
  let places: readonly unknown[] = [schema];
  for (const step of path) places = places.flatMap((place) => stepInto(place, step));
  const keys = places
    .flatMap(branchesOf)
    .flatMap(({ properties }) => Object.keys(properties ?? {}));
  return [...new Set(keys)];
}

interface Place {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly additionalProperties?: unknown;
  readonly items?: unknown;
  readonly anyOf?: readonly unknown[];
  readonly allOf?: readonly unknown[];
  readonly oneOf?: readonly unknown[];
}

function stepInto(schema: unknown, step: PropertyKey): unknown[] {
  return branchesOf(schema).flatMap(({ properties, additionalProperties, items }) => {
    if (typeof step === "number") return items === undefined ? [] : [items];
    const name = String(step);
    if (properties && Object.hasOwn(properties, name)) return [properties[name]];
    return typeof additionalProperties === "object" ? [additionalProperties] : [];
  });
}

function branchesOf(schema: unknown): Place[] {
  if (typeof schema !== "object" || schema === null) return [];
  const place = schema as Place;
  const inner = [...(place.anyOf ?? []), ...(place.allOf ?? []), ...(place.oneOf ?? [])];
  return [place, ...inner.flatMap(branchesOf)];
}
