import { describe, expect, test } from "bun:test";
import { KeyPair } from "../identity/key.ts";
import { signRequests } from "../wire/batch.ts";
import { leafHash, merkleTree } from "../wire/merkle.ts";
import type { AuditRecord } from "./entry.ts";
import { KEY, openLog, record, temporaryFolder } from "./log.fixture.ts";
import { verifyAudit } from "./verify.ts";

const caller = KeyPair.fromSeed(new Uint8Array(32).fill(3));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** A decision as a node records it, of the second of two requests signed at once. */
function signed(addressee = KEY.publicKey): AuditRecord {
  const requests = [Buffer.from("first"), Buffer.from("second")];
  const batchId = new Uint8Array(16).fill(5);
  const batch = signRequests({ key: caller, addressee, batchId, timeMs: 1, requests });
  const tree = merkleTree(requests.map(leafHash));
  const request = {
    digest: hex(tree.leaf(1)),
    batch: hex(batchId),
    time_ms: 1,
    count: 2,
    index: 1,
    root: hex(tree.root),
    path: tree.path(1).map(hex),
    signature: hex(batch.signature),
  };
  return record(1, { principal: caller.publicKey.id, request });
}

async function verify(records: readonly AuditRecord[]) {
  using folder = temporaryFolder();
  const log = await openLog(folder.path);
  for (const one of records) await log.append(one);
  await log.close();
  const key = KEY.publicKey.bytes;
  const chain = await verifyAudit(folder.path, { key });
  const { problems, proved } = await verifyAudit(folder.path, { key, proofs: true });
  return { chain, problems, proved };
}

describe("verifyAudit() with proofs", () => {
  test("counts decisions whose request its principal signed", async () => {
    const finished: AuditRecord = { event: "finished", call: "0123456789abcdef" };
    expect(await verify([signed(), finished, signed()])).toMatchObject({ problems: [], proved: 2 });
  });

  test("names what a node made up, although its own chain and checkpoints hold", async () => {
    const request = signed().request;
    const forged: [string, Record<string, unknown>][] = [
      ["another principal", { principal: KEY.publicKey.id }],
      ["no principal", { principal: undefined }],
      ["no proof", { request: undefined }],
      ["another request", { request: { ...request!, digest: "00".repeat(32) } }],
      ["a proof for another node", { request: signed(caller.publicKey).request }],
      ["nonsense", { request: { ...request!, path: ["x"] } }],
    ];
    for (const [what, change] of forged) {
      const found = await verify([signed(), { ...signed(), ...change } as AuditRecord]);
      expect([what, found.chain.ok, found.proved]).toEqual([what, true, 1]);
      expect(found.problems).toMatchObject([{ kind: "unproved", sequence: 2 }]);
    }
  });

  test("does not count what only looks like a decision", async () => {
    const text = '"event":"decided"';
    const { problems, proved } = await verify([{ event: "rejected", detail: text }]);
    expect({ problems, proved }).toEqual({ problems: [], proved: 0 });
  });
});
