// Runs every table in policy-examples/ against the built-in capabilities, as `operon policy test` does.

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { builtin } from "../src/builtin.ts";
import { configSchema } from "../src/config/schema.ts";
import type { ResourceContext } from "../src/contract/operation.ts";
import { Registry } from "../src/contract/registry.ts";
import { compileSection, settingsSchemas } from "../src/node/policy_state.ts";
import { lintPolicy } from "../src/policy/lint.ts";
import { locatedYaml } from "../src/policy/located_yaml.ts";
import { runSuite, type SuiteOptions } from "../src/policy/suite.ts";

const FOLDER = new URL("../policy-examples/", import.meta.url);
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith(".yaml"));
const registry = new Registry(Object.values(builtin));
const compile: SuiteOptions["compile"] = (section, locate) =>
  compileSection(section as Record<string, unknown>, registry, locate);

const options = (file: string): SuiteOptions => ({
  file,
  compile,
  bind(id, input, policy) {
    const { operation } = registry.find(id)!;
    const context: ResourceContext = { node_id: "local", mounts: policy.mounts };
    const bound = operation.resource(operation.input.parse(input), context);
    return { accesses: typeof bound === "string" ? [{ resource: bound }] : bound, facts: {} };
  },
});

const read = (file: string) => readFileSync(fileURLToPath(new URL(file, FOLDER)), "utf8");

test("policy-examples/ holds the examples the documentation names", () => {
  expect(FILES.sort()).toEqual([
    "ci-runner.yaml",
    "coding-agent.yaml",
    "lockdown.yaml",
    "operator.yaml",
    "read-only-observer.yaml",
    "secrets.yaml",
    "services.yaml",
    "tailnet.yaml",
  ]);
});

describe.each(FILES)("%s", (file) => {
  test("decides as its table expects", async () => {
    const results = await runSuite(read(file), options(file));
    expect(results.filter((result) => !result.ok)).toEqual([]);
    expect(results.length).toBeGreaterThanOrEqual(10);
    const refusals = results.filter((result) => result.actual !== "allow").length;
    expect(refusals * 2).toBeGreaterThanOrEqual(results.length);
  });

  test("is a valid policy section of the configuration", async () => {
    const { value } = await locatedYaml(read(file), file);
    const { policy } = value as { policy: unknown };
    const parsed = configSchema(settingsSchemas(registry)).safeParse({
      version: 1,
      daemon: {},
      policy,
    });
    expect(parsed.error?.issues ?? []).toEqual([]);
  });

  test("gives the linter nothing to warn of", async () => {
    const { value, locate } = await locatedYaml(read(file).replaceAll(" ~/", " /home/"), file);
    const { policy } = value as { policy: unknown };
    const compiled = await compile(policy, (path) => locate(["policy", ...path]));
    const warnings = lintPolicy(compiled).filter((finding) => finding.level === "warning");
    expect(warnings).toEqual([]);
  });
});
