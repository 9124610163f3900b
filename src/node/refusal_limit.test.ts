import { expect, test } from "bun:test";
import { ManualClock } from "../../test/clock.ts";
import type { AuditRecord } from "../audit/entry.ts";
import { REFUSALS_WRITTEN_MAX, REFUSED_BYTES_MAX, RefusalLimit } from "./refusal_limit.ts";

const ann = { id: "ed25519:ann", name: "ann", roles: [] };
const ben = { id: "ed25519:ben", name: "ben", roles: [] };
const refused = (operation = "fs.read"): AuditRecord => ({ event: "decided", operation });

function open() {
  const clock = new ManualClock();
  const written: AuditRecord[] = [];
  const limit = new RefusalLimit({ clock, write: (record) => written.push(record) });
  const admit = (who: typeof ann, times: number, operation?: string) =>
    Array.from({ length: times }, () => limit.admit(who, refused(operation))).filter(
      (record) => record !== undefined,
    );
  return { clock, written, limit, admit };
}

test("attack 28: refusals past the limit are counted, and the count is written when the minute is over", () => {
  const { clock, written, admit } = open();
  const one = admit(ann, REFUSALS_WRITTEN_MAX + 5);
  admit(ann, 2, "exec.run");
  expect(one).toHaveLength(REFUSALS_WRITTEN_MAX);
  expect(one.at(-2)?.detail).toBeUndefined();
  expect(one.at(-1)?.detail).toContain("only counted");
  expect(admit(ben, 1)).toHaveLength(1);
  clock.advance(60_000);
  expect(written).toEqual([
    {
      event: "rejected",
      principal: ann.id,
      principal_name: "ann",
      facts: { refused: { "fs.read": 5, "exec.run": 2 } },
      decision: { verdict: "deny", reason: "refusals-counted" },
      detail: "7 more refused calls within a minute",
    },
  ]);
  expect(admit(ann, 1)).toHaveLength(1);
});

test("the counts are written at once when the node stops, and nothing where nothing was counted", () => {
  const { written, limit, admit } = open();
  admit(ann, REFUSALS_WRITTEN_MAX + 1);
  admit(ben, REFUSALS_WRITTEN_MAX);
  limit[Symbol.dispose]();
  limit[Symbol.dispose]();
  expect(written.map(({ principal }) => principal)).toEqual([ann.id]);
});

test("attack 28: the entry of a refused call has little room for what its caller made long, and all of its proof", () => {
  const { limit } = open();
  const request = { digest: "d".repeat(64), signature: "f".repeat(128) } as AuditRecord["request"];
  const facts = { argv: Array.from({ length: 500 }, () => "x".repeat(500)), cwd: "/" };
  const resources = Array.from({ length: 200 }, (_, at) => `fs:workspace/${"é".repeat(2000)}${at}`);
  const record = limit.admit(ann, { ...refused(), facts, resources, ...(request && { request }) });
  expect(Buffer.byteLength(JSON.stringify(record))).toBeLessThan(REFUSED_BYTES_MAX + 500);
  expect(record).toMatchObject({ cut: true, request: { ...request } });
  const small = { ...refused(), facts: { argv: ["ls"] }, resources: ["exec:default"] };
  expect(limit.admit(ann, small)).toBe(small);
});
