import { expect, test } from "bun:test";
import { z } from "zod";
import { failureOf, settings } from "./config.fixture.ts";
import { configJsonSchema, configJsonSchemaText, keysAllowedAt } from "./json_schema.ts";
import { configSchema } from "./schema.ts";

test("configJsonSchema() describes every section and refuses unknown keys, as editors need", () => {
  const schema = configJsonSchema(settings) as {
    $schema: string;
    required: string[];
    additionalProperties: boolean;
    properties: Record<string, { additionalProperties?: boolean; properties?: object }>;
  };
  expect(schema.$schema).toContain("draft-07");
  expect(Object.keys(schema.properties)).toEqual([
    "version",
    "daemon",
    "client",
    "policy",
    "secrets",
  ]);
  expect(schema.required).toEqual(["version"]);
  expect(schema.additionalProperties).toBe(false);
  expect(schema.properties.policy?.additionalProperties).toBe(false);
  expect(Object.keys(schema.properties.policy?.properties ?? {})).toContain("tool");
});

test("configJsonSchemaText() is JSON that ends with a line feed", () => {
  const text = configJsonSchemaText(settings);
  expect(text.endsWith("}\n")).toBe(true);
  expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(configJsonSchema(settings))));
});

test("keysAllowedAt() walks maps, lists and records", () => {
  const schema = configJsonSchema(settings);
  expect(keysAllowedAt(schema, ["policy", "mounts", 0])).toEqual([
    "name",
    "at",
    "path",
    "read_only",
  ]);
  expect(keysAllowedAt(schema, ["policy", "roles", "any", 3])).toContain("when");
  expect(keysAllowedAt(schema, ["policy", "principals", "any"])).toContain("ssh");
  expect(keysAllowedAt(schema, ["client", "nodes", "any"])).toEqual(["endpoint", "key", "labels"]);
});

test("keysAllowedAt() knows no keys where there are none", () => {
  const schema = configJsonSchema(settings);
  for (const path of [["nowhere"], ["version"], ["policy", "mounts"], ["constructor"], [3]]) {
    expect(keysAllowedAt(schema, path)).toEqual([]);
  }
});

test("configSchema() refuses a capability called as a key of policy", async () => {
  for (const id of ["mounts", "principals", "roles"]) {
    const error = await failureOf(() => configSchema({ [id]: z.any() }));
    expect(error.code).toBe("config.settings_reserved");
  }
});
