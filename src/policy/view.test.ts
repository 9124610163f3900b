import { expect, test } from "bun:test";
import { KEYS, rulesOf } from "./policy.fixture.ts";
import { showPolicy } from "./view.ts";

test("showPolicy() shows rules as written, with their place, as plain JSON", async () => {
  const policy = await rulesOf(
    "- allow: [fs.*]\n  on: ['fs:workspace/**']\n  when: { time: { days: [mon] } }\n  name: work",
  );
  const shown = showPolicy(policy);
  expect(shown.principals).toEqual([{ name: "alice", key: KEYS.alice, roles: ["tester"] }]);
  expect(shown.roles.tester).toEqual([
    {
      number: 1,
      verdict: "allow",
      operations: ["fs.*"],
      on: ["fs:workspace/**"],
      when: { time: { days: ["mon"] } },
      name: "work",
      file: "config.yaml",
      line: 8,
    },
  ]);
  expect(JSON.parse(JSON.stringify(shown))).toEqual(shown as never);
});

test("showPolicy() shares nothing with the policy that a caller could change", async () => {
  const policy = await rulesOf("- allow: [fs.*]\n  when: { time: { days: [mon] } }");
  const shown = showPolicy(policy) as unknown as { roles: { tester: { when: object }[] } };
  Object.assign(shown.roles.tester[0]!.when, { time: null });
  expect(showPolicy(policy).roles.tester?.[0]?.when).toEqual({ time: { days: ["mon"] } });
});
