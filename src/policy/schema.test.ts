import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { PolicySchema, policyShape } from "./schema.ts";

const accepts = (value: unknown) => PolicySchema.safeParse(value).success;
const rule = (value: unknown) => accepts({ roles: { r: [value] } });

describe("PolicySchema", () => {
  test("gives nothing to anyone when it is empty", () => {
    expect(PolicySchema.parse({})).toEqual({ mounts: [], principals: {}, roles: {} });
  });
  test.each([
    [{ allow: ["fs.read"] }],
    [{ ask: ["*"], on: ["fs:w/**"], when: { time: {} }, name: "n", note: "why" }],
    [{ deny: ["fs.*"] }],
  ])("accepts the rule %j", (value) => {
    expect(rule(value)).toBe(true);
  });
  test.each([
    [{}],
    [{ allow: ["fs.read"], deny: ["fs.read"] }],
    [{ allow: [] }],
    [{ allow: "fs.read" }],
    [{ allow: ["fs.read"], on: [] }],
    [{ allow: ["fs.read"], unless: {} }],
    [{ alow: ["fs.read"] }],
    [{ deny: [""] }],
    [{ deny: ["fs.*"], on: ["x".repeat(1025)] }],
    ["deny"],
    [null],
  ])("refuses the rule %j", (value) => {
    expect(rule(value)).toBe(false);
  });
  test.each([
    [{ principals: { a: { roles: [] } } }],
    [{ principals: { a: { key: "k", ssh: "s", roles: [] } } }],
    [{ principals: { a: { key: "k" } } }],
    [{ principals: { "A b": { key: "k", roles: [] } } }],
    [{ principals: { ["x".repeat(65)]: { key: "k", roles: [] } } }],
    [{ roles: { "": [] } }],
    [{ role: {} }],
    [{ mounts: [{ name: "a/b", path: "/x" }] }],
    [{ mounts: [{ name: "*", path: "/x" }] }],
    [{ mounts: [{ name: "a", path: "" }] }],
    [{ mounts: [{ name: "a", path: "/x", readonly: true }] }],
    [{ roles: { constructor_: "x" } }],
  ])("refuses %j", (value) => {
    expect(accepts(value)).toBe(false);
  });
  test("can be extended with capability settings and published as JSON Schema", () => {
    const whole = z.strictObject({ ...policyShape, exec: z.strictObject({}).optional() });
    expect(whole.safeParse({ exec: {} }).success).toBe(true);
    expect(accepts({ exec: {} })).toBe(false);
    expect(z.toJSONSchema(whole, { io: "input" })).toMatchObject({ type: "object" });
  });
});
