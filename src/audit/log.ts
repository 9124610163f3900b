// The audit log: appends records to hash-linked, signed, append-only files, and says when they are durable.
// It must never acknowledge what a power cut could take back, nor go on quietly when it cannot write.
// Next: chain.ts is the file's end, line.ts an entry's bytes, checkpoint.ts signed heads, verify.ts the check of it all.

import { mkdirSync } from "node:fs";
import type { Clock } from "../clock.ts";
import { OperonError } from "../error.ts";
import { Chain, type TornTail } from "./chain.ts";
import { CheckpointFile, newestCheckpoint, type Signer, signCheckpoint } from "./checkpoint.ts";
import type { SyncMode } from "./descriptor.ts";
import type { AuditReceipt, AuditRecord } from "./entry.ts";
import { encodeRecord } from "./line.ts";
import { ProcessLock } from "./lock.ts";
import { LOCK_FILE } from "./segment.ts";

/** What a log needs. */
export interface AuditLogOptions {
  /** Signs checkpoints; the node's key. */
  readonly key: Signer;
  readonly clock: Clock;
  /** `strict`: {@link AuditLog.appendRelaxed} is {@link AuditLog.append}. Default `relaxed`. */
  readonly readsMode?: "strict" | "relaxed";
  /** Default 64 MiB; tests make it small. */
  readonly segmentBytesMax?: number;
}

const RELAXED_MS = 10;
const CHECKPOINT_ENTRIES = 256;
/** Under load a checkpoint is made at most this often (ms): each costs a signature and an fsync. */
const CHECKPOINT_GAP_MS = 20;
const CHECKPOINT_MS = 1_000;
/** Entries on both sides of such a jump of the clock (ms) do not wait for one checkpoint. */
const CLOCK_JUMP_MS = 10_000;
/** A log that cannot write tries again by itself after this (ms). */
const RETRY_MS = 1_000;
const LOCK_TIMEOUT_MS = 10_000;
const BATCH_ENTRIES_MAX = 4_096;
const BATCH_CHARS_MAX = 2 * 1024 * 1024;
/** Entries that wait for the disk (characters) before appends are refused. */
const QUEUE_CHARS_MAX = 32 * 1024 * 1024;
/** A disk that syncs faster than this (ms) is waited for in place when only one entry waits. */
const QUICK_SYNC_MS = 0.4;

interface Waiting {
  readonly body: string;
  readonly resolve: (receipt: AuditReceipt) => void;
  readonly reject: (error: OperonError) => void;
}

/** One process's handle on the log; several processes may hold one each. Close it, or the last second has no checkpoint. */
export class AuditLog implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #key: Signer;
  readonly #strictReads: boolean;
  readonly #lock: ProcessLock;
  readonly #checkpoints: CheckpointFile;
  readonly #chain: Chain;
  #queue: Waiting[] = [];
  #queuedChars = 0;
  #working: Promise<void> | undefined;
  /** Something in the queue waits for the disk, or has waited its 10 ms. */
  #isUrgent = false;
  #relaxedTimer: Disposable | undefined;
  #checkpointTimer: Disposable | undefined;
  #checkpointSize: number;
  #checkpointAtMs = Number.NEGATIVE_INFINITY;
  /** Since when (monotonic ms) entries wait for a checkpoint. */
  #uncoveredSinceMs: number | undefined;
  #syncMs = 1;
  #failure: OperonError | undefined;
  #retryTimer: Disposable | undefined;
  /** What was cut and is not yet on record. */
  #torn: TornTail | undefined;
  #closed = false;

  /**
   * Opens or creates the log in `directory` (0700), repairs a torn end, and records that writing has started.
   * @throws OperonError `audit.truncated`, `audit.corrupt`, `audit.checkpoint_invalid`, `audit.unavailable`, `audit.locked`
   */
  static async open(directory: string, options: AuditLogOptions): Promise<AuditLog> {
    using scope = new DisposableStack();
    let log: AuditLog;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const lock = scope.use(new ProcessLock(`${directory}/${LOCK_FILE}`));
      await lock.acquire("exclusive", { clock: options.clock, timeoutMs: LOCK_TIMEOUT_MS });
      scope.defer(() => lock.release());
      const checkpoints = scope.use(new CheckpointFile(directory));
      const from = newestCheckpoint(checkpoints, options.key);
      const chain = scope.use(new Chain(directory, { ...options, from }));
      log = new AuditLog({ lock, checkpoints, chain, ...options }, from?.size ?? 0);
      // What a crash left without a checkpoint gets one before anything new is written.
      log.#uncoveredSinceMs = Number.NEGATIVE_INFINITY;
      await log.#commit([{ ...SILENT, body: encodeRecord(STARTED) }]);
      lock.release();
    } catch (thrown) {
      throw unavailable(thrown);
    }
    scope.move();
    return log;
  }

  private constructor(
    parts: AuditLogOptions & {
      readonly lock: ProcessLock;
      readonly checkpoints: CheckpointFile;
      readonly chain: Chain;
    },
    checkpointSize: number,
  ) {
    this.#clock = parts.clock;
    this.#key = parts.key;
    this.#strictReads = parts.readsMode === "strict";
    this.#lock = parts.lock;
    this.#checkpoints = parts.checkpoints;
    this.#chain = parts.chain;
    this.#checkpointSize = checkpointSize;
  }

  /** Time of the newest entry (Unix ms): a clock that says less has gone back. */
  get lastTimeMs(): number {
    return this.#chain.lastTimeMs;
  }

  /** Why the last write failed, until one succeeds again; callers with effects must not go on while it is set. */
  get failure(): OperonError | undefined {
    return this.#failure;
  }

  /**
   * Resolves when the record is durable. Records appended together share one write and one fsync.
   * @throws OperonError `audit.unavailable`, `audit.overloaded`, `audit.closed`, `audit.entry_invalid`, `audit.truncated`, `audit.corrupt`
   */
  append(record: AuditRecord): Promise<AuditReceipt> {
    const receipt = this.#enqueue(record);
    this.#workAtOnce();
    return receipt;
  }

  /** As {@link append}, but the write may wait for the next one, at most 10 ms. The promise may be ignored. */
  appendRelaxed(record: AuditRecord): Promise<AuditReceipt> {
    const receipt = this.#enqueue(record);
    receipt.catch(() => {});
    if (this.#strictReads || this.#queue.length >= BATCH_ENTRIES_MAX) this.#workAtOnce();
    else this.#relaxedTimer ??= this.#clock.after(RELAXED_MS, () => this.#workAtOnce());
    return receipt;
  }

  /** Resolves when everything appended so far is durable; rejects when the log cannot write. */
  async flush(): Promise<void> {
    while (this.#queue.length > 0 || this.#working) {
      this.#work();
      await this.#working;
    }
    if (this.#failure) throw this.#failure;
  }

  /** Writes what waits, records the stop, signs the last checkpoint. Harmless when called again. */
  async close(): Promise<void> {
    if (this.#closed) return;
    const stopped = this.append(STOPPED);
    this.#closed = true;
    try {
      await stopped;
      await this.flush();
      await this.#underLock(async () => this.#checkpoint());
    } catch (thrown) {
      throw unavailable(thrown);
    } finally {
      this.#relaxedTimer?.[Symbol.dispose]();
      this.#checkpointTimer?.[Symbol.dispose]();
      this.#retryTimer?.[Symbol.dispose]();
      this.#chain[Symbol.dispose]();
      this.#checkpoints[Symbol.dispose]();
      this.#lock[Symbol.dispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #enqueue(record: AuditRecord): Promise<AuditReceipt> {
    if (this.#closed) return Promise.reject(closed());
    if (this.#queuedChars > QUEUE_CHARS_MAX) return Promise.reject(overloaded());
    let body: string;
    try {
      body = encodeRecord(record);
    } catch (thrown) {
      return Promise.reject(thrown);
    }
    const { promise, resolve, reject } = Promise.withResolvers<AuditReceipt>();
    this.#queue.push({ body, resolve, reject });
    this.#queuedChars += body.length;
    return promise;
  }

  /** As {@link #work}; and once more when a batch is being written already. */
  #workAtOnce(): void {
    this.#isUrgent = true;
    this.#work();
  }

  #work(): void {
    this.#working ??= this.#drain().finally(() => {
      this.#working = undefined;
      if (this.#isUrgent && this.#queue.length > 0) this.#work();
    });
  }

  async #drain(): Promise<void> {
    // Whoever appends in the same turn shares the first write.
    await Promise.resolve();
    for (;;) {
      this.#relaxedTimer?.[Symbol.dispose]();
      this.#relaxedTimer = undefined;
      const batch = this.#takeBatch();
      try {
        await this.#underLock(() => this.#commit(batch));
      } catch (thrown) {
        this.#fail(unavailable(thrown));
        for (const waiting of batch) waiting.reject(this.#failure!);
      }
      // What may wait does: its timer runs, and it shares a write with what comes until then.
      if (this.#queue.length === 0 || !this.#isUrgent) return;
      // Those just answered get to append again before the next write.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #takeBatch(): Waiting[] {
    let chars = 0;
    let count = 0;
    while (count < this.#queue.length && count < BATCH_ENTRIES_MAX && chars < BATCH_CHARS_MAX) {
      chars += this.#queue[count]!.body.length;
      count++;
    }
    this.#queuedChars -= chars;
    const batch = this.#queue.splice(0, count);
    this.#isUrgent = this.#queue.length > 0;
    return batch;
  }

  async #underLock(run: () => Promise<void>): Promise<void> {
    await this.#lock.acquire("exclusive", { clock: this.#clock, timeoutMs: LOCK_TIMEOUT_MS });
    try {
      await run();
    } finally {
      this.#lock.release();
    }
  }

  /** Writes a batch and tells its writers; a batch of none makes a due checkpoint or tries a failed disk again. */
  async #commit(batch: readonly Waiting[]): Promise<void> {
    this.#torn = this.#chain.catchUp() ?? this.#torn;
    const nowMs = this.#clock.monotonicMs();
    // No entry is written while older ones lack the checkpoint they should have.
    const isDue = nowMs - (this.#uncoveredSinceMs ?? nowMs) >= CHECKPOINT_MS;
    // Whoever verifies the log has only its times to tell which entries should have a checkpoint by now.
    const jumpMs = Math.abs(this.#clock.nowMs() - this.#chain.newestTimeMs);
    if (isDue || jumpMs >= CLOCK_JUMP_MS) await this.#checkpoint();
    const own: string[] = [];
    if (this.#torn) own.push(encodeRecord(cutRecord(this.#torn)));
    if (this.#failure) own.push(encodeRecord(resumedRecord(this.#failure)));
    const bodies = [...own, ...batch.map((waiting) => waiting.body)];
    if (bodies.length > 0) {
      const receipts = await this.#append(bodies);
      this.#recovered();
      for (const [index, { resolve }] of batch.entries()) resolve(receipts[own.length + index]!);
    }
    const uncovered = this.#chain.size - this.#checkpointSize;
    if (uncovered === 0) return;
    this.#uncoveredSinceMs ??= nowMs;
    if (uncovered >= CHECKPOINT_ENTRIES && nowMs - this.#checkpointAtMs >= CHECKPOINT_GAP_MS) {
      await this.#tryCheckpoint();
    } else {
      this.#checkpointTimer ??= this.#clock.after(CHECKPOINT_MS, () => this.#checkpointNow());
    }
  }

  async #append(bodies: readonly string[]): Promise<AuditReceipt[]> {
    const mode = bodies.length <= 2 ? this.#syncMode : "async";
    const startMs = this.#clock.monotonicMs();
    const receipts = await this.#chain.append(bodies, { timeMs: this.#clock.nowMs(), mode });
    if (bodies.length > 2) return receipts;
    const tookMs = this.#clock.monotonicMs() - startMs;
    // Quick to distrust a disk, slow to trust it again.
    this.#syncMs = tookMs > this.#syncMs ? tookMs : this.#syncMs * 0.8 + tookMs * 0.2;
    return receipts;
  }

  /** A slow disk must not hold up the whole node. */
  get #syncMode(): SyncMode {
    return this.#syncMs < QUICK_SYNC_MS ? "sync" : "async";
  }

  /** Its writers have been answered: what fails now fails the next commit, which comes here first. */
  async #tryCheckpoint(): Promise<void> {
    try {
      await this.#checkpoint();
    } catch (thrown) {
      this.#uncoveredSinceMs = Number.NEGATIVE_INFINITY;
      this.#fail(unavailable(thrown));
    }
  }

  #checkpointNow(): void {
    this.#checkpointTimer = undefined;
    this.#uncoveredSinceMs = Number.NEGATIVE_INFINITY;
    this.#work();
  }

  #fail(failure: OperonError): void {
    this.#failure = failure;
    this.#retryTimer ??= this.#clock.after(RETRY_MS, () => {
      this.#retryTimer = undefined;
      this.#work();
    });
  }

  #recovered(): void {
    this.#torn = undefined;
    this.#failure = undefined;
    this.#retryTimer?.[Symbol.dispose]();
    this.#retryTimer = undefined;
  }

  async #checkpoint(): Promise<void> {
    // Other processes may have written, and signed, more than this one knows: a checkpoint never covers less than the last.
    this.#torn = this.#chain.catchUp() ?? this.#torn;
    const head = this.#chain.head();
    if (head.size > this.#checkpointSize) {
      const signed = signCheckpoint(head, { key: this.#key, timeMs: this.#clock.nowMs() });
      await this.#checkpoints.append({ ...signed, ...head }, this.#syncMode);
      this.#checkpointSize = head.size;
      this.#checkpointAtMs = this.#clock.monotonicMs();
    }
    this.#uncoveredSinceMs = undefined;
    this.#checkpointTimer?.[Symbol.dispose]();
    this.#checkpointTimer = undefined;
  }
}

const STARTED: AuditRecord = { event: "started" };
const STOPPED: AuditRecord = { event: "stopped" };
const SILENT = { resolve: () => {}, reject: () => {} };

function cutRecord(torn: TornTail): AuditRecord {
  return {
    event: "repaired",
    detail: `Cut off ${torn.bytes} bytes of an unfinished entry ${torn.sequence}`,
    facts: { bytes: torn.bytes, sha256: torn.hash, excerpt: torn.excerpt },
  };
}

function resumedRecord(failure: OperonError): AuditRecord {
  return {
    event: "repaired",
    detail: `Writing works again after it failed: ${failure.message}`,
    facts: { code: failure.code },
  };
}

/** What appends reject with when the disk (or another process) does not let them. */
function unavailable(thrown: unknown): OperonError {
  if (thrown instanceof OperonError) return thrown;
  const code = (thrown as NodeJS.ErrnoException | undefined)?.code;
  const full = code === "ENOSPC" || code === "EDQUOT";
  return new OperonError({
    code: "audit.unavailable",
    kind: "unavailable",
    message: `The audit log cannot be written (${code ?? "unknown failure"}), so nothing is done`,
    hint: full
      ? "Free space on the node's disk; the node goes on by itself"
      : "Look at the node's disk and at the permissions of its audit folder",
    cause: thrown,
  });
}

function closed(): OperonError {
  return new OperonError({
    code: "audit.closed",
    kind: "unavailable",
    message: "The audit log is closed: the node is stopping",
  });
}

function overloaded(): OperonError {
  return new OperonError({
    code: "audit.overloaded",
    kind: "resource_exhausted",
    message: "More entries wait for the disk than the audit log holds",
    hint: "Try again in a moment",
  });
}
