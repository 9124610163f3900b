// Bounds what refused calls cost the audit log: so many of a key in a minute are written one by one, the rest is counted.
// It must never lose one silently: the last that is written says that more are counted, and the count is written, too.
// Next: authority.ts asks before it records a refusal; stranger_limit.ts bounds keys that are no principals.

import type { AuditRecord } from "../audit/entry.ts";
import { shortened } from "../audit/line.ts";
import type { Clock } from "../clock.ts";
import type { Principal } from "../contract/capability.ts";

/** Refusals of one key in a minute that get an entry of their own: attack 28, a narrow role filling the disk. */
export const REFUSALS_WRITTEN_MAX = 60;
/** Room for names of resources and facts in the entry of a refused call (bytes of JSON). */
export const REFUSED_BYTES_MAX = 2048;
const WINDOW_MS = 60_000;

/** What counting needs. */
export interface RefusalLimitOptions {
  readonly clock: Clock;
  /** Writes an entry that nobody waits for. */
  readonly write: (record: AuditRecord) => void;
}

/** The refusals of one key within a minute. */
interface Window {
  readonly principal: Principal;
  readonly timer: Disposable;
  written: number;
  /** How many were not written, by operation. */
  readonly counted: Map<string, number>;
}

/** Decides which refusals are written one by one. Dispose of it to have all counts written. */
export class RefusalLimit implements Disposable {
  readonly #options: RefusalLimitOptions;
  readonly #windows = new Map<string, Window>();

  constructor(options: RefusalLimitOptions) {
    this.#options = options;
  }

  /** The record of a refused call as it is to be written; `undefined` when it is only counted. */
  admit(principal: Principal, record: AuditRecord): AuditRecord | undefined {
    const window = this.#windows.get(principal.id) ?? this.#open(principal);
    if (window.written === REFUSALS_WRITTEN_MAX) {
      const { operation = "" } = record;
      window.counted.set(operation, (window.counted.get(operation) ?? 0) + 1);
      return undefined;
    }
    window.written++;
    const short = withoutBulk(record);
    if (window.written < REFUSALS_WRITTEN_MAX) return short;
    const more = "more refused calls of this key are only counted for up to a minute";
    return { ...short, detail: short.detail === undefined ? more : `${short.detail}; ${more}` };
  }

  [Symbol.dispose](): void {
    for (const window of [...this.#windows.values()]) this.#close(window);
  }

  #open(principal: Principal): Window {
    const timer = this.#options.clock.after(WINDOW_MS, () => this.#close(window));
    const window: Window = { principal, timer, written: 0, counted: new Map() };
    this.#windows.set(principal.id, window);
    return window;
  }

  #close({ principal, timer, counted }: Window): void {
    timer[Symbol.dispose]();
    this.#windows.delete(principal.id);
    if (counted.size === 0) return;
    const count = [...counted.values()].reduce((sum, one) => sum + one);
    this.#options.write({
      event: "rejected",
      principal: principal.id,
      principal_name: principal.name,
      facts: { refused: Object.fromEntries(counted) },
      decision: { verdict: "deny", reason: "refusals-counted" },
      detail: `${count} more refused calls within a minute`,
    });
  }
}

/** What a caller can make long is short in the entry of a call that came to nothing; the proof of it stays whole. */
function withoutBulk(record: AuditRecord): AuditRecord {
  const { resources, facts, ...rest } = record;
  const bulk = { ...(resources && { resources }), ...(facts && { facts }) };
  if (Buffer.byteLength(JSON.stringify(bulk)) <= REFUSED_BYTES_MAX) return record;
  return { ...rest, ...shortened(bulk, REFUSED_BYTES_MAX), cut: true };
}
