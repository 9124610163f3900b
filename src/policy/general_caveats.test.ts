import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../test/clock.ts";
import { evaluate } from "./decide.ts";
import { ask, codeOf, KEYS, policyOf, questionOf, rulesOf } from "./policy.fixture.ts";
import { UsageLedger } from "./usage.ts";

const timed = (time: string) => rulesOf(`- allow: ['*']\n  when: { time: ${time} }`);
/** 2026-01-05 is a Monday. */
const at = (day: number, hour: number, minute = 0) => ({
  now_ms: Date.UTC(2026, 0, 4 + day, hour, minute),
});
const MON = 1;
const TUE = 2;
const SAT = 6;
const SUN = 7;

describe("time", () => {
  test("holds from the first minute to before the last", async () => {
    const policy = await timed('{ from: "08:00", to: "18:00" }');
    expect(ask(policy, at(MON, 8)).verdict).toBe("allow");
    expect(ask(policy, at(MON, 17, 59)).verdict).toBe("allow");
    expect(ask(policy, at(MON, 7, 59)).reason).toBe("time-not-allowed");
    expect(ask(policy, at(MON, 18)).reason).toBe("time-not-allowed");
  });
  test("holds on its days only", async () => {
    const policy = await timed("{ days: [mon, tue] }");
    expect(ask(policy, at(MON, 0)).verdict).toBe("allow");
    expect(ask(policy, at(TUE, 23, 59)).verdict).toBe("allow");
    expect(ask(policy, at(SAT, 12)).verdict).toBe("deny");
    expect(ask(policy, at(SUN, 12)).verdict).toBe("deny");
  });
  test("a window over midnight belongs to the day it starts on", async () => {
    const policy = await timed('{ days: [sat], from: "22:00", to: "06:00" }');
    expect(ask(policy, at(SAT, 23)).verdict).toBe("allow");
    expect(ask(policy, at(SUN, 5, 59)).verdict).toBe("allow");
    expect(ask(policy, at(SUN, 6)).verdict).toBe("deny");
    expect(ask(policy, at(SUN, 23)).verdict).toBe("deny");
    expect(ask(policy, at(SAT, 5)).verdict).toBe("deny");
  });
  test("is unknown for a moment that is none, which denies either way", async () => {
    const policy = await timed("{ days: [mon, tue, wed, thu, fri, sat, sun] }");
    expect(ask(policy, { now_ms: Number.NaN }).verdict).toBe("deny");
    const denying = await rulesOf(
      "- allow: ['*']\n- deny: ['*']\n  when: { time: { days: [sat] } }",
    );
    expect(ask(denying, { now_ms: Number.NaN }).verdict).toBe("deny");
    expect(ask(denying, at(MON, 12)).verdict).toBe("allow");
    expect(ask(denying, at(SAT, 12)).verdict).toBe("deny");
  });
  test("reads the machine's own hours when the zone is local", async () => {
    const now = new Date(2026, 0, 5, 12, 30);
    const policy = await timed('{ from: "12:00", to: "13:00", zone: local }');
    expect(ask(policy, { now_ms: now.getTime() }).verdict).toBe("allow");
    expect(ask(policy, { now_ms: now.getTime() + 3_600_000 }).verdict).toBe("deny");
  });
  test.each([
    "{}",
    "{ zone: UTC }",
    '{ from: "8:00" }',
    '{ from: "24:01" }',
    '{ from: "08:00", to: "08:00" }',
    "{ days: [] }",
    "{ days: [monday] }",
    "{ from: 08:00, until: 09:00 }",
    '{ days: [mon], zone: "Europe/Berlin" }',
  ])("refuses the value %s", async (value) => {
    expect(await codeOf(timed(value))).toBe("policy.caveat_invalid");
  });
});

describe("rate and budget", () => {
  const policyWith = (when: string) => rulesOf(`- allow: [fs.*]\n  when: { ${when} }`);

  /** Asks and counts as a node does. */
  function caller(policy: Awaited<ReturnType<typeof policyWith>>, ledger: UsageLedger) {
    return (question = {}) => {
      const result = evaluate(policy, questionOf({ usage: ledger.usage, ...question }));
      if (result.decision.verdict === "allow") ledger.record(result.usage_keys, { calls: 1 });
      return result;
    };
  }

  test("a rate allows its number in any window and no more", async () => {
    const clock = new ManualClock();
    const call = caller(
      await policyWith("rate: { calls: 3, per_secs: 60 }"),
      new UsageLedger(clock),
    );
    const verdicts = () => call().decision.verdict;
    expect([verdicts(), verdicts(), verdicts(), verdicts()]).toEqual([
      "allow",
      "allow",
      "allow",
      "deny",
    ]);
    clock.advance(59_000);
    expect(call().decision.reason).toBe("rate-exceeded");
    clock.advance(3_000);
    expect(verdicts()).toBe("allow");
  });

  test("a refused call uses nothing up", async () => {
    const clock = new ManualClock();
    const call = caller(
      await policyWith("rate: { calls: 1, per_secs: 10 }"),
      new UsageLedger(clock),
    );
    call();
    for (let i = 0; i < 20; i++) call();
    clock.advance(10_500);
    expect(call().decision.verdict).toBe("allow");
  });

  test("setting the machine's clock back or forth buys nothing", async () => {
    const clock = new ManualClock();
    const call = caller(
      await policyWith("rate: { calls: 1, per_secs: 10 }"),
      new UsageLedger(clock),
    );
    call();
    clock.jump(3_600_000);
    expect(call().decision.verdict).toBe("deny");
    clock.jump(-7_200_000);
    expect(call().decision.verdict).toBe("deny");
  });

  test("each principal has its own", async () => {
    const policy = await policyOf(`
principals:
  alice: { key: "${KEYS.alice}", roles: [tester] }
  bob: { key: "${KEYS.bob}", roles: [tester] }
roles:
  tester: [{ allow: [fs.*], when: { rate: { calls: 1, per_secs: 60 } } }]
`);
    const call = caller(policy, new UsageLedger(new ManualClock()));
    expect(call().decision.verdict).toBe("allow");
    expect(call().decision.verdict).toBe("deny");
    expect(call({ principal_id: KEYS.bob }).decision.verdict).toBe("allow");
  });

  test.each([
    ["bytes", "budget: { bytes: 1000, per_secs: 60 }", { bytes: 1000 }],
    ["seconds", "budget: { seconds: 5, per_secs: 60 }", { seconds: 5.5 }],
    ["calls", "budget: { calls: 2, per_secs: 60 }", { calls: 1 }],
  ])("a budget of %s denies once it is used up", async (_what, when, amount) => {
    const ledger = new UsageLedger(new ManualClock());
    const call = caller(await policyWith(when), ledger);
    const { usage_keys } = call();
    ledger.record(usage_keys, amount);
    expect(call().decision.reason).toBe("budget-exceeded");
  });

  test("usage that is no number denies", async () => {
    const policy = await policyWith("rate: { calls: 3, per_secs: 60 }");
    const usage = () => ({ calls: Number.NaN, bytes: 0, seconds: 0 });
    expect(ask(policy, { usage }).verdict).toBe("deny");
    const throwing = () => {
      throw new Error("no ledger");
    };
    expect(ask(policy, { usage: throwing }).verdict).toBe("deny");
  });

  test.each([
    "rate: { calls: 0, per_secs: 1 }",
    "rate: { calls: 1 }",
    "rate: { calls: 1.5, per_secs: 1 }",
    "rate: { calls: 1, per_secs: 0 }",
    "rate: { bytes: 1, per_secs: 1 }",
    "budget: { per_secs: 1 }",
    "budget: { bytes: -1, per_secs: 1 }",
    "budget: { bytes: 1, per_secs: 99999999 }",
  ])("refuses %s", async (when) => {
    expect(await codeOf(policyWith(when))).toBe("policy.caveat_invalid");
  });
});

describe("via", () => {
  const policyVia = (via: string) =>
    policyOf(`
principals:
  alice: { key: "${KEYS.alice}", roles: [tester] }
  bob: { key: "${KEYS.bob}", roles: [] }
roles:
  tester: [{ allow: ['*'], when: { via: ${via} } }]
`);
  test("direct refuses a relay", async () => {
    const policy = await policyVia("direct");
    expect(ask(policy).verdict).toBe("allow");
    expect(ask(policy, { via_id: KEYS.bob }).reason).toBe("relay-not-allowed");
  });
  test("a list allows those relays and not the direct way", async () => {
    const policy = await policyVia("[bob]");
    expect(ask(policy, { via_id: KEYS.bob }).verdict).toBe("allow");
    expect(ask(policy, { via_id: KEYS.carol }).verdict).toBe("deny");
    expect(ask(policy).verdict).toBe("deny");
  });
  test("takes a key id for a relay that has no name here", async () => {
    const policy = await policyVia(`["${KEYS.carol}"]`);
    expect(ask(policy, { via_id: KEYS.carol }).verdict).toBe("allow");
  });
  test.each(["[]", "anyone", "[nobody-here]"])("refuses the value %s", async (value) => {
    expect(await codeOf(policyVia(value))).toBe("policy.caveat_invalid");
  });
});
