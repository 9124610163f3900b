// Linux's notices of changes in folders, by descriptor: events as the kernel queues them, and a note when it lost some.
// It must never watch by a path that could lead elsewhere, nor outlive its disposal.
// Next: watch.ts decides who hears of what.

import { closeSync } from "node:fs";
import { type NoticeCalls, native } from "./native.ts";

/** What happened, as bits (sys/inotify.h). */
export const NOTICE = {
  attributes: 0x4,
  written: 0x8,
  moved_from: 0x40,
  moved_to: 0x80,
  created: 0x100,
  removed: 0x200,
  folder_removed: 0x400,
  folder_moved: 0x800,
  overflow: 0x4000,
  ended: 0x8000,
  is_folder: 0x40000000,
} as const;

const ONLY_FOLDERS = 0x01000000;
const WATCHED =
  NOTICE.attributes |
  NOTICE.written |
  NOTICE.moved_from |
  NOTICE.moved_to |
  NOTICE.created |
  NOTICE.removed |
  NOTICE.folder_removed |
  NOTICE.folder_moved |
  ONLY_FOLDERS;
/** struct inotify_event: watch (4), mask (4), cookie (4), length of the name (4), name. */
const HEADER_BYTES = 16;

/** One event. */
export interface Notice {
  /** Number of the watched folder; -1 for an overflow. */
  readonly watch: number;
  readonly bits: number;
  /** Raw name inside the folder; empty for the folder itself. */
  readonly name: Buffer;
}

/** A queue of events; dispose it to end it. */
export class Inotify implements Disposable {
  readonly #calls: NoticeCalls;
  readonly #fd: number;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #isOpen = true;

  /** `undefined` where the system has no such thing. */
  static open(): Inotify | undefined {
    const { notices } = native();
    return notices && new Inotify(notices);
  }

  private constructor(calls: NoticeCalls) {
    this.#calls = calls;
    this.#fd = calls.open();
    this.#reader = Bun.file(this.#fd).stream().getReader();
  }

  /** Watches the folder behind an open descriptor; returns its number. Throws what the host throws. */
  add(folder: number): number {
    return this.#calls.add(this.#fd, `/proc/self/fd/${folder}`, WATCHED);
  }

  /** Stops watching a folder; harmless when it is gone. */
  remove(watch: number): void {
    try {
      this.#calls.remove(this.#fd, watch);
    } catch {
      // The kernel has dropped it already.
    }
  }

  /** Events as they come, in batches. Ends when it is disposed of. */
  async *batches(): AsyncGenerator<readonly Notice[], undefined> {
    while (this.#isOpen) {
      const { value, done } = await this.#reader.read();
      if (done || !value) return undefined;
      yield noticesIn(value);
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    // The stream has a descriptor of its own, which it closes itself.
    closeSync(this.#fd);
    this.#reader.cancel().catch(() => {});
  }
}

function noticesIn(bytes: Uint8Array): Notice[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const notices: Notice[] = [];
  for (let at = 0; at + HEADER_BYTES <= buffer.length; ) {
    const length = buffer.readUInt32LE(at + 12);
    const padded = buffer.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
    const end = padded.indexOf(0);
    notices.push({
      watch: buffer.readInt32LE(at),
      bits: buffer.readUInt32LE(at + 4),
      name: Buffer.from(end < 0 ? padded : padded.subarray(0, end)),
    });
    at += HEADER_BYTES + length;
  }
  return notices;
}
