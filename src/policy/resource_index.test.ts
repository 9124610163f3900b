import { expect, test } from "bun:test";
import { compileGlob } from "./glob.ts";
import { ResourceIndex } from "./resource_index.ts";

const PATTERNS = [
  "fs:w/**",
  "fs:w",
  "fs:w/",
  "fs:w/a",
  "fs:w/a/**",
  "fs:w/a/b/**",
  "fs:w/*",
  "fs:w/a*",
  "fs:w/a/*/c",
  "fs:w/**/c",
  "fs:**/c",
  "fs:**",
  "**",
  "**/c",
  "fs:*/a/**",
  "fs:w/**.ts",
  "fs:w/a/**/b/**",
  "exec:default",
  "exec:*",
  "?s:w/a",
  "fs:w/😀/**",
  "*c",
  "fs:w/a/?",
];

test("candidates() never leave out a rule whose glob matches", () => {
  const index = new ResourceIndex<string>();
  for (const [ordinal, rule] of PATTERNS.entries()) {
    index.add("deny", { rule, ordinal, conditions: [] }, compileGlob(rule));
  }
  const resources = ["fs:w", "exec:default", "exec:", "c", "", "fs:w/😀", "fs:w/😀/x"];
  const parts = ["a", "b", "c", "x.ts", ""];
  for (const one of parts) {
    resources.push(`fs:w/${one}`, `fs:v/${one}`);
    for (const two of parts) {
      resources.push(`fs:w/${one}/${two}`);
      for (const three of parts) resources.push(`fs:w/${one}/${two}/${three}`);
    }
  }
  for (const resource of resources) {
    const found = index
      .candidates(resource)
      .flatMap((bucket) => bucket.deny)
      .filter((entry) => entry.glob?.matches(resource) ?? true)
      .map((entry) => entry.rule);
    const expected = PATTERNS.filter((pattern) => compileGlob(pattern).matches(resource));
    expect([...new Set(found)].sort()).toEqual(expected.sort());
  }
});

test("candidates() hold rules without a glob for every resource", () => {
  const index = new ResourceIndex<string>();
  index.add("allow", { rule: "all", ordinal: 0, conditions: [] }, undefined);
  for (const resource of ["", "fs:w/a", "x".repeat(5000)]) {
    expect(index.candidates(resource).flatMap((bucket) => bucket.allow)).toHaveLength(1);
  }
});

test("candidates() take little time when the resource is deeper than any rule", () => {
  const index = new ResourceIndex<string>();
  index.add("allow", { rule: "r", ordinal: 0, conditions: [] }, compileGlob("fs:w/a/**"));
  const resource = `fs:w/${"a/".repeat(500_000)}`;
  const started = performance.now();
  for (let i = 0; i < 1000; i++) index.candidates(resource);
  expect(performance.now() - started).toBeLessThan(200);
});
