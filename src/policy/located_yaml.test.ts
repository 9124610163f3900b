import { describe, expect, test } from "bun:test";
import { locatedYaml } from "./located_yaml.ts";
import { codeOf } from "./policy.fixture.ts";

const TEXT = `# a comment
policy:
  roles:
    op:
      - allow: [fs.*]
        on:
          - "fs:w/**"
      - deny:
          - fs.rm
`;

describe("locatedYaml()", () => {
  test("finds the line of a key and of an item", async () => {
    const { value, locate } = await locatedYaml(TEXT, "c.yaml");
    expect(value).toMatchObject({ policy: { roles: { op: [{ allow: ["fs.*"] }, {}] } } });
    expect(locate(["policy"])).toEqual({ file: "c.yaml", line: 2 });
    expect(locate(["policy", "roles", "op", 0])?.line).toBe(5);
    expect(locate(["policy", "roles", "op", 0, "on", 0])?.line).toBe(7);
    expect(locate(["policy", "roles", "op", 1, "deny", 0])?.line).toBe(9);
  });
  test("answers with the nearest thing above what is not there", async () => {
    const { locate } = await locatedYaml(TEXT, "c.yaml");
    expect(locate(["policy", "roles", "nobody", 3])?.line).toBe(3);
    expect(locate(["policy", "roles", "op", 7])?.line).toBe(4);
    expect(locate([])?.line).toBe(2);
  });
  test("goes through an alias to what it stands for", async () => {
    const { locate } = await locatedYaml("a: &x\n  b: 1\nc: *x\n");
    expect(locate(["c", "b"])).toEqual({ line: 2 });
  });
  test("reads JSON", async () => {
    expect((await locatedYaml('{"a": [1, "2", null]}')).value).toEqual({ a: [1, "2", null] });
  });
  test("reads an empty text as nothing", async () => {
    expect((await locatedYaml("")).value).toBeNull();
  });
  test.each([
    ["a duplicate key", "a: 1\na: 2\n"],
    ["a tab as indentation", "a:\n\tb: 1\n"],
    ["an open bracket", "a: [1, 2\n"],
    ["two documents", "a: 1\n---\nb: 2\n"],
    ["an unknown tag", "a: !!js/function 'x'\n"],
    ["a custom tag", "a: !secret x\n"],
    ["a key that is a list", "? [a, b]\n: 1\n"],
    ["an alias to nothing", "a: *x\n"],
    ["the key __proto__", "a: { __proto__: { b: 1 } }\n"],
    ["the quoted key __proto__", 'a:\n  "__proto__": 1\n'],
  ])("refuses %s", async (_what, text) => {
    expect(await codeOf(locatedYaml(text, "c.yaml"))).toBe("policy.yaml_invalid");
  });
  test("names file and line of an error", async () => {
    expect(locatedYaml("a: 1\nb: [\n", "c.yaml")).rejects.toThrow(/^c\.yaml:\d+ cannot be read/);
    expect(locatedYaml("a: 1\na: 2\n", "c.yaml")).rejects.toThrow(/^c\.yaml:2 /);
  });
  test("refuses aliases that multiply", async () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i < 10; i++) {
      const aliases = new Array(10).fill(`*a${i - 1}`).join(", ");
      lines.push(`a${i}: &a${i} [${aliases}]`);
    }
    const started = performance.now();
    expect(await codeOf(locatedYaml(lines.join("\n")))).toBe("policy.yaml_invalid");
    expect(performance.now() - started).toBeLessThan(1000);
  });
  test("refuses a text that is too long, and nesting that is too deep", async () => {
    expect(await codeOf(locatedYaml("#".repeat(5 * 1024 * 1024)))).toBe("policy.yaml_invalid");
    expect(await codeOf(locatedYaml("[".repeat(100_000)))).toBe("policy.yaml_invalid");
  });
});
