// Pipes between this process and a command: output read as it comes and only as fast as it is
// taken, input written as fast as the command reads it. It must never hold more than a chunk per
// pipe: a reader that stalls stalls the command.
// Next: run.ts opens and closes them.

import { closeSync, constants, openSync, readSync } from "node:fs";
import type { Clock } from "../../clock.ts";
import { libc } from "./libc.ts";

/** What a pipe may hold (bytes); also what a command can write after its last reader has looked. */
const PIPE_BYTES = 256 * 1024;
/**
 * How long to wait in all for more output once the command itself is gone (ms): a child of its may
 * hold the pipe.
 */
const AFTER_EXIT_MS = 250;
/** How much longer when the pipe is known to hold some (ms). */
const PATIENCE_FOR_KNOWN_BYTES_MS = 10;
/**
 * Output still taken after the command is gone (bytes a channel): more than its pipe can have held.
 */
const AFTER_EXIT_BYTES_MAX = 1024 * 1024;

/** The two ends of a pipe; each is closed at most once, whatever is called. */
export class Pipe implements Disposable {
  readonly readEnd: number;
  readonly writeEnd: number;
  readonly #open: Set<number>;

  constructor() {
    [this.readEnd, this.writeEnd] = libc().pipe();
    this.#open = new Set([this.readEnd, this.writeEnd]);
    libc().growPipe(this.writeEnd, PIPE_BYTES);
  }

  close(end: number): void {
    if (this.#open.delete(end)) closeSync(end);
  }

  [Symbol.dispose](): void {
    this.close(this.readEnd);
    this.close(this.writeEnd);
  }
}

/** One chunk of a command's output. */
export interface OutputChunk<Channel extends string> {
  readonly channel: Channel;
  readonly bytes: Uint8Array;
}

interface Source<Channel extends string> {
  readonly channel: Channel;
  readonly fd: number;
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  /** A chunk that was read but not yet taken. */
  waiting: Uint8Array | undefined;
  done: boolean;
  bytesAfterExit: number;
}

/** Merges the outputs of one command in the order they arrive. */
export class Output<Channel extends string> implements AsyncDisposable {
  readonly #sources: Source<Channel>[];
  readonly #clock: Clock;
  #exited = false;
  #stopped = false;
  #patienceMs = AFTER_EXIT_MS;
  #wake: () => void = () => {};

  /** Takes read ends by channel; they stay the caller's to close, after this is disposed. */
  constructor(ends: Readonly<Record<Channel, number>>, clock: Clock) {
    this.#clock = clock;
    this.#sources = (Object.entries(ends) as [Channel, number][]).map(([channel, fd]) => ({
      channel,
      fd,
      reader: Bun.file(fd).stream().getReader(),
      waiting: undefined,
      done: false,
      bytesAfterExit: 0,
    }));
    for (const source of this.#sources) this.#pull(source);
  }

  /**
   * Says that the command is gone: what its pipes hold is still delivered, what others may add is
   * not waited for.
   */
  exited(): void {
    this.#exited = true;
    this.#wake();
  }

  /** Ends {@link chunks} after what was already read. */
  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  /** All output, until every pipe has ended or nobody is left who should write. Iterate once. */
  async *chunks(): AsyncGenerator<OutputChunk<Channel>, void, undefined> {
    while (!this.#stopped) {
      let took = false;
      for (const source of this.#sources) {
        const bytes = source.waiting;
        if (bytes === undefined) continue;
        took = true;
        source.waiting = undefined;
        if (this.#exited) source.bytesAfterExit += bytes.byteLength;
        if (source.bytesAfterExit < AFTER_EXIT_BYTES_MAX) this.#pull(source);
        else source.done = true;
        yield { channel: source.channel, bytes };
      }
      if (took) continue;
      if (this.#sources.every(({ done }) => done) || this.#patienceMs <= 0) return;
      await this.#more();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await Promise.all(this.#sources.map(({ reader }) => reader.cancel().catch(() => {})));
  }

  #pull(source: Source<Channel>): void {
    const settle = (bytes: Uint8Array | undefined) => {
      source.waiting = bytes;
      source.done = bytes === undefined;
      this.#wake();
    };
    source.reader.read().then(
      ({ value }) => settle(value),
      () => settle(undefined),
    );
  }

  /**
   * Waits for a chunk, an end or the exit; once the command is gone, no longer than patience lasts.
   */
  async #more(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    if (!this.#exited) return promise;
    const startMs = this.#clock.monotonicMs();
    using _timer = this.#clock.after(this.#patienceMs, resolve);
    await promise;
    this.#patienceMs -= this.#clock.monotonicMs() - startMs;
    // On a busy machine the timer may win over bytes that were there all the time.
    const isWaiting = this.#sources.some(({ done, fd }) => !done && libc().waitingBytes(fd) > 0);
    if (isWaiting) this.#patienceMs = Math.max(this.#patienceMs, PATIENCE_FOR_KNOWN_BYTES_MS);
  }
}

/** Writes the caller's bytes into a pipe, as fast as the command reads them. */
export class Input implements AsyncDisposable {
  readonly #fd: number;
  #iterator: AsyncIterator<Uint8Array> | undefined;
  #sink: Bun.FileSink | undefined;
  #writing: Promise<unknown> | undefined;
  #stopped = false;

  /** Takes a write end; it stays the caller's to close, after this is disposed. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * Resolves at the end of either side: a command that does not read its input is no error. Rejects
   * when `incoming` fails, for then the input was cut short. Call at most once.
   */
  async feed(incoming: AsyncIterable<Uint8Array>): Promise<void> {
    this.#iterator = incoming[Symbol.asyncIterator]();
    while (!this.#stopped) {
      const next = await this.#iterator.next();
      // The descriptor may have been closed, and its number given to another file, while this
      // waited.
      if (next.done || this.#stopped) break;
      this.#sink ??= Bun.file(this.#fd).writer();
      if (!(await this.#write(this.#sink, next.value))) break;
    }
    this.#letGo();
    await this.#endSink();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#letGo();
    if (this.#writing) await this.#drain();
    await this.#endSink();
  }

  /**
   * The sink works on a copy of the descriptor: the command sees the end of its input only when
   * both are closed.
   */
  async #endSink(): Promise<void> {
    const sink = this.#sink;
    this.#sink = undefined;
    try {
      await sink?.end();
    } catch {
      // EPIPE again.
    }
  }

  /** Whether the command still reads. */
  async #write(sink: Bun.FileSink, bytes: Uint8Array): Promise<boolean> {
    try {
      this.#writing = Promise.resolve(sink.write(bytes)).then(() => sink.flush());
      await this.#writing;
      return true;
    } catch {
      // EPIPE: it closed its input, or is gone.
      return false;
    } finally {
      this.#writing = undefined;
    }
  }

  /** Tells the caller's stream that no more is wanted. */
  #letGo(): void {
    this.#stopped = true;
    this.#iterator?.return?.().catch(() => {});
    this.#iterator = undefined;
  }

  /**
   * Ends a write that waits for a reader who will not come: a child left behind may keep the other
   * end open. What the pipe holds is taken out, so that the write completes before its descriptor
   * is closed under it.
   */
  async #drain(): Promise<void> {
    const fd = openSync(`/proc/self/fd/${this.#fd}`, constants.O_RDONLY | constants.O_NONBLOCK);
    const scrap = new Uint8Array(PIPE_BYTES);
    while (this.#writing) {
      try {
        readSync(fd, scrap);
      } catch {
        // EAGAIN: empty for now.
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    closeSync(fd);
  }
}
