// Checks a log without a node: every link, every signed checkpoint, and what peers remember of it.
// It must never trust what the log says about itself beyond signatures, nor change a byte of it.
// Next: chain_check.ts finds broken links, checkpoint_check.ts compares signed heads.

import { closeSync, constants, openSync, statSync } from "node:fs";
import { systemClock } from "../clock.ts";
import { OperonError } from "../error.ts";
import { PublicKey } from "../identity/key.ts";
import { ChainCheck } from "./chain_check.ts";
import { CHECKPOINTS_FILE, type Checkpoint } from "./checkpoint.ts";
import { CheckpointCheck } from "./checkpoint_check.ts";
import { readFully } from "./descriptor.ts";
import type { AuditReport } from "./entry.ts";
import { heldByOthers } from "./kept_checkpoints.ts";
import { ENTRY_BYTES_MAX, eachLine } from "./line.ts";
import { ProcessLock } from "./lock.ts";
import { ProofCheck } from "./proof_check.ts";
import { LOCK_FILE, listSegments, type Segment } from "./segment.ts";

/** A checkpoint another node kept of this log. */
export interface PeerCheckpoint extends Checkpoint {
  /** Name of the peer, for the report. */
  readonly peer: string;
}

/** What the log is checked against. */
export interface VerifyOptions {
  /** The node's public key, raw or as its id. Without it, all checkpoints must have one key, whichever it is. */
  readonly key?: Uint8Array | string;
  /** Default: those that others held when they were last asked. */
  readonly peerCheckpoints?: readonly PeerCheckpoint[];
  /** Also checks that the principals signed what is recorded; needs `key`. Costs a signature check for each decision. */
  readonly proofs?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Checks the log in `directory` as it stands now; a node may be writing to it.
 * @throws OperonError `audit.missing` when there is no log, `identity.key_invalid`; what is wrong with a log is in the report
 */
export async function verifyAudit(
  directory: string,
  options: VerifyOptions = {},
): Promise<AuditReport> {
  const snapshot = await takeSnapshot(directory);
  if (snapshot.segments.length === 0 && snapshot.checkpointBytes === 0) throw missing();
  const key = typeof options.key === "string" ? PublicKey.parse(options.key).bytes : options.key;
  const checkpoints = new CheckpointCheck({
    ...(key ? { key } : {}),
    peerCheckpoints: options.peerCheckpoints ?? keptByOthers(directory),
  });
  const file = { file: CHECKPOINTS_FILE, path: `${directory}/${CHECKPOINTS_FILE}` };
  await readLines({ ...file, bytes: snapshot.checkpointBytes }, options.signal, {
    line: (line, place) => checkpoints.read(line, place.line),
    // A checkpoint torn by a power cut covers nothing that the one before it does not start from.
    rest: () => {},
  });
  const chain = new ChainCheck();
  const comparison = checkpoints.compareWith(chain);
  const proofs =
    key && options.proofs ? new ProofCheck(key, (problem) => chain.report(problem)) : undefined;
  for (const [index, segment] of snapshot.segments.entries()) {
    const isLast = index === snapshot.segments.length - 1;
    await readLines(segment, options.signal, {
      line: (line, place) => {
        chain.accept(line, place);
        comparison.next();
        proofs?.accept(line, place);
      },
      rest: (bytes, line) => {
        chain.report({
          kind: isLast ? "torn" : "unreadable",
          sequence: chain.size,
          file: segment.file,
          line,
          message: isLast
            ? `Entry ${chain.size} is unfinished (${bytes} bytes): a write was interrupted; the node repairs it when it starts`
            : `${segment.file} ends in the middle of entry ${chain.size}: it was shortened or overwritten`,
        });
      },
    });
  }
  comparison.end(snapshot.segments.at(-1)?.first);
  const problems = chain.problems();
  return {
    ok: problems.length === 0,
    entries: chain.lines,
    checkpoints: checkpoints.count,
    ...(proofs ? { proved: proofs.proved } : {}),
    last: chain.last,
    problems,
  };
}

function keptByOthers(directory: string): readonly PeerCheckpoint[] {
  return heldByOthers(directory)
    .list()
    .map(({ key, checkpoint }) => {
      const peer = PublicKey.fromBytes(Buffer.from(key, "hex")).id;
      return { ...checkpoint, peer };
    });
}

interface SizedFile {
  readonly path: string;
  readonly file: string;
  /** What is checked of it; more may be appended meanwhile. */
  readonly bytes: number;
}

interface Snapshot {
  readonly segments: readonly (Segment & SizedFile)[];
  readonly checkpointBytes: number;
}

/** Sizes at one moment between two commits, so that a writer at work never looks like a torn one. */
async function takeSnapshot(directory: string): Promise<Snapshot> {
  using scope = new DisposableStack();
  try {
    const lock = scope.use(new ProcessLock(`${directory}/${LOCK_FILE}`, { create: false }));
    await lock.acquire("shared", { clock: systemClock, timeoutMs: LOCK_TIMEOUT_MS });
    scope.defer(() => lock.release());
  } catch {
    // A copy of a log, or one on a disk that cannot be locked, has no writer to wait for.
  }
  const segments = listSegments(directory).map((segment) => ({
    ...segment,
    bytes: statSync(segment.path).size,
  }));
  const status = statSync(`${directory}/${CHECKPOINTS_FILE}`, { throwIfNoEntry: false });
  return { segments, checkpointBytes: status?.size ?? 0 };
}

const LOCK_TIMEOUT_MS = 2_000;
const READ_BYTES = 1024 * 1024;

interface LineReader {
  line(line: Uint8Array, place: { readonly file: string; readonly line: number }): void;
  /** Bytes after the last line feed, when there are any. */
  rest(bytes: number, line: number): void;
}

/** Reads a file's lines in bounded memory and lets others run in between. */
async function readLines(
  { path, file, bytes }: SizedFile,
  signal: AbortSignal | undefined,
  reader: LineReader,
): Promise<void> {
  if (bytes === 0) return;
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    let number = 0;
    let at = 0;
    while (at < bytes) {
      signal?.throwIfAborted();
      const chunk = readFully(fd, Math.min(READ_BYTES, bytes - at), at);
      let whole = eachLine(chunk, (line) => {
        number++;
        reader.line(line, { file, line: number });
      });
      if (whole === 0) {
        if (chunk.length < READ_BYTES) return reader.rest(chunk.length, number + 1);
        // No entry is this long: take a piece as a line of its own, which is reported, and go on.
        whole = ENTRY_BYTES_MAX;
        number++;
        reader.line(chunk.subarray(0, whole), { file, line: number });
      }
      at += whole;
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    closeSync(fd);
  }
}

function missing(): OperonError {
  return new OperonError({
    code: "audit.missing",
    kind: "not_found",
    message: "There is no audit log in this folder",
    hint: "Give the folder that holds the .jsonl segments, usually ~/.operon/audit",
  });
}
