import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { ManualClock } from "../../test/clock.ts";
import { KeyPair } from "../identity/key.ts";
import type { AuditRecord } from "./entry.ts";
import { AuditLog, type AuditLogOptions } from "./log.ts";
import { listSegments } from "./segment.ts";

/** The node's key in these tests. */
export const KEY = KeyPair.fromSeed(new Uint8Array(32).fill(7));

/** A folder of its own for a log, gone at the end of the scope. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(`${tmpdir()}/operon-audit-`);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A copy of a log as a disk image would have it: taken while its writer still runs. */
export function copyOf(directory: string): Disposable & { readonly path: string } {
  const copy = temporaryFolder();
  cpSync(directory, copy.path, { recursive: true });
  return copy;
}

/** Opens a log whose time only moves when told to. */
export function openLog(
  directory: string,
  options: Partial<AuditLogOptions> = {},
): Promise<AuditLog> {
  return AuditLog.open(directory, { key: KEY, clock: new ManualClock(), ...options });
}

/** A typical record; `resource` tells them apart. */
export function record(resource: number | string, more: Partial<AuditRecord> = {}): AuditRecord {
  return {
    event: "decided",
    call: "0123456789abcdef",
    principal: KEY.publicKey.id,
    principal_name: "laptop",
    operation: "fs.write",
    resources: [`fs:workspace/${resource}`],
    decision: { verdict: "allow", reason: "allowed", rule: { role: "operator", index: 0 } },
    ...more,
  };
}

/** Writes a log: `started`, `count` records, `stopped`, with a checkpoint after every `every` of them and at the end. */
export async function writeLog(
  directory: string,
  options: { readonly count: number; readonly every?: number; readonly segmentBytesMax?: number },
): Promise<void> {
  const clock = new ManualClock();
  const { segmentBytesMax } = options;
  const log = await openLog(directory, {
    clock,
    ...(segmentBytesMax === undefined ? {} : { segmentBytesMax }),
  });
  for (let i = 1; i <= options.count; i++) {
    await log.append(record(i));
    if (i % (options.every ?? Number.POSITIVE_INFINITY) !== 0) continue;
    clock.advance(1_000);
    await log.flush();
  }
  await log.close();
}

/** Lines of all segments in order. */
export function linesOf(directory: string): string[] {
  return listSegments(directory).flatMap(({ path }) => readLines(path));
}

/** Lines of one file. */
export function readLines(path: string): string[] {
  return readFileSync(path, "utf8").split("\n").slice(0, -1);
}

/** Replaces a file's lines. */
export function writeLines(path: string, lines: readonly string[]): void {
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
}
