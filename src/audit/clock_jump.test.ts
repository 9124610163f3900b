// A clock that jumps must not make an honest log look tampered with, nor hide that one is.
import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { ManualClock } from "../../test/clock.ts";
import { CHECKPOINTS_FILE } from "./checkpoint.ts";
import { KEY, openLog, record, temporaryFolder } from "./log.fixture.ts";
import { verifyAudit } from "./verify.ts";

const DAY_MS = 86_400_000;
const verify = (path: string) => verifyAudit(path, { key: KEY.publicKey.bytes });

describe("attack 13: the clock jumps while the log is written", () => {
  for (const [name, jumps] of [
    ["forward by a day", [DAY_MS]],
    ["back by a day", [-DAY_MS]],
    ["forward and back", [DAY_MS, -DAY_MS]],
    ["back and forward", [-DAY_MS, DAY_MS]],
    ["by little less than what counts as a jump, often", Array<number>(8).fill(9_000)],
  ] as const) {
    test(`verify passes after a jump ${name}, at any moment`, async () => {
      using folder = temporaryFolder();
      const clock = new ManualClock();
      const log = await openLog(folder.path, { clock });
      for (const jump of jumps) {
        await log.append(record("before"));
        clock.jump(jump);
        await log.append(record("after"));
        // As it stands now: a second later there would be a checkpoint anyway.
        expect((await verify(folder.path)).problems).toEqual([]);
        clock.advance(500);
      }
      await log.close();
      expect((await verify(folder.path)).problems).toEqual([]);
    });
  }

  test("verify still finds that checkpoints were removed", async () => {
    using folder = temporaryFolder();
    const clock = new ManualClock();
    const log = await openLog(folder.path, { clock });
    await log.append(record("before"));
    clock.jump(DAY_MS);
    await log.append(record("after"));
    await log.close();
    rmSync(`${folder.path}/${CHECKPOINTS_FILE}`);
    expect((await verify(folder.path)).problems[0]?.kind).toBe("checkpoint_invalid");
  });

  test("the log knows the latest time it ever had, also when the clock is back", async () => {
    using folder = temporaryFolder();
    const clock = new ManualClock(Date.UTC(2026, 0, 1));
    const log = await openLog(folder.path, { clock });
    clock.jump(DAY_MS);
    await log.append(record("ahead"));
    clock.jump(-DAY_MS);
    await log.append(record("back"));
    expect(log.lastTimeMs).toBe(Date.UTC(2026, 0, 2));
    await log.close();
  });
});
