import { describe, expect, test } from "bun:test";
import { OperonError } from "../error.ts";
import { checkNodes, type NodeAnswer } from "./node_checks.ts";

const fine: NodeAnswer = { version: "1.4.0", median_us: 900, clock_offset_ms: 12 };
const check = (answer: () => Promise<NodeAnswer>) =>
  checkNodes(["gpu"], { version: "1.2.0", ask: answer });

describe("checkNodes()", () => {
  test("reports what answers in time with a clock and version that fit", async () => {
    const found = await check(async () => fine);
    expect(found.map(({ status }) => status)).toEqual(["ok"]);
    expect(found[0]?.what).toContain("0.9 ms");
  });

  test.each([
    [6_000, "warning", "ahead"],
    [-6_000, "warning", "behind"],
    [40_000, "problem", "ahead"],
    [-86_400_000, "problem", "behind"],
  ] as const)("attack 13: judges a clock %d ms off", async (clock_offset_ms, status, word) => {
    const [, skew] = await check(async () => ({ ...fine, clock_offset_ms }));
    expect(skew).toMatchObject({ status });
    expect(skew?.what).toContain(word);
    expect(skew?.fix).toContain("NTP");
  });

  test("names both versions when they may not fit", async () => {
    const [, version] = await check(async () => ({ ...fine, version: "2.0.0" }));
    expect(version).toMatchObject({ status: "warning", what: "It runs 2.0.0, this is 1.2.0" });
  });

  test("passes on what an unreachable or changed node's error says to do", async () => {
    const error = new OperonError({
      code: "identity.key_changed",
      kind: "failed_precondition",
      message: "gpu shows another key",
      hint: "operon node forget gpu",
    });
    expect(await check(() => Promise.reject(error))).toEqual([
      {
        check: "node gpu",
        node: "gpu",
        status: "problem",
        what: "gpu shows another key",
        fix: "operon node forget gpu",
      },
    ]);
  });

  test("takes a refusal for an answer", async () => {
    const error = new OperonError({
      code: "policy.denied",
      kind: "permission_denied",
      message: "No rule allows it",
    });
    expect((await check(() => Promise.reject(error)))[0]?.status).toBe("note");
  });

  test("asks all nodes before the first has answered, and reports in their order", async () => {
    const { promise: allAsked, resolve } = Promise.withResolvers<void>();
    let asked = 0;
    const names = Array.from({ length: 20 }, (_, index) => `n${index}`);
    const found = await checkNodes(names, {
      version: "1.0.0",
      ask: async () => {
        if (++asked === names.length) resolve();
        await allAsked;
        return fine;
      },
    });
    expect(found.map(({ node }) => node)).toEqual(names);
  });
});
