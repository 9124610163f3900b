import { expect, test } from "bun:test";
import { ManualClock } from "../../test/clock.ts";
import type { Session } from "../wire/session.ts";
import { StrangerLimit } from "./stranger_limit.ts";

/** As much of a session as a limit looks at. */
function session() {
  const ended = Promise.withResolvers<void>();
  const reasons: string[] = [];
  const close = (reason: string) => {
    reasons.push(reason);
    ended.resolve();
  };
  return { reasons, session: { ended: ended.promise, close } as unknown as Session };
}

test("attack 10: admit() keeps 64 strangers, and the oldest goes when another comes", async () => {
  const limit = new StrangerLimit(new ManualClock());
  const all = Array.from({ length: 66 }, session);
  for (const one of all) {
    limit.admit(one.session, () => false);
    await Promise.resolve();
  }
  expect(all.map(({ reasons }) => reasons.join())).toEqual([
    "node.too_many_strangers",
    "node.too_many_strangers",
    ...Array.from({ length: 64 }, () => ""),
  ]);
});

test("attack 10: admit() lets a stranger stay for 30 seconds, and for good once it is known", () => {
  const clock = new ManualClock();
  const limit = new StrangerLimit(clock);
  const [stranger, joiner] = [session(), session()];
  limit.admit(stranger.session, () => false);
  limit.admit(joiner.session, () => true);
  clock.advance(29_999);
  expect(stranger.reasons).toEqual([]);
  clock.advance(1);
  expect([stranger.reasons, joiner.reasons]).toEqual([["node.stranger_timeout"], []]);
});
