// The process's three streams as the CLI uses them: writes that wait for the reader, reads that wait for the caller.
// It must never buffer without bound, nor change a pipe that other processes share.
// Next: cli.ts hands them to commands; render.ts and bytes_output.ts write.

import { constants, fstatSync, openSync, write } from "node:fs";
import { OperonError } from "../../error.ts";
import { type Keys, takeKeys } from "./terminal_keys.ts";

/** Where text and bytes go. */
export interface Output {
  readonly isTty: boolean;
  /** Width of the terminal in cells; 80 when unknown. */
  readonly columns: number;
  /**
   * Resolves when the reader's side has taken the data.
   * @throws OperonError `cli.output_closed` when nobody reads any more
   */
  write(data: Uint8Array | string): Promise<void>;
}

/** Where text and bytes come from. */
export interface Input {
  readonly isTty: boolean;
  /** Whether somebody gave us data: a pipe, a socket or a file; no terminal, no `/dev/null`. */
  readonly isPiped: boolean;
  /** Bytes as they are pulled, until the end; iterate once. */
  chunks(): AsyncIterable<Uint8Array>;
  /** Every key of a terminal as it is pressed, until it is disposed of; only where there is a terminal. */
  takeKeys?(): Keys;
}

/** The three streams of a process. */
export interface Stdio {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** The streams of this process; nothing is opened before it is used. */
export function processStdio(): Stdio {
  return { stdin: new ProcessInput(), stdout: new ProcessOutput(1), stderr: new ProcessOutput(2) };
}

class ProcessOutput implements Output {
  readonly #descriptor: 1 | 2;
  #isTty: boolean | undefined;
  #sink: Sink | undefined;

  constructor(descriptor: 1 | 2) {
    this.#descriptor = descriptor;
  }

  get isTty(): boolean {
    this.#isTty ??= isTerminal(this.#descriptor);
    return this.#isTty;
  }

  get columns(): number {
    if (!this.isTty) return 80;
    return (this.#descriptor === 1 ? process.stdout : process.stderr).columns || 80;
  }

  async write(data: Uint8Array | string): Promise<void> {
    if (data.length === 0) return;
    try {
      this.#sink ??= openSink(this.#descriptor);
      await this.#sink.write(data);
      await this.#sink.flush();
    } catch (error) {
      throw outputError(error);
    }
  }
}

/** Takes bytes in the order they are given. */
type Sink = Pick<Bun.FileSink, "write" | "flush">;

/**
 * Writing makes a pipe non-blocking for everyone who holds it, so that the next program in a script would fail with
 * EAGAIN. A pipe is therefore opened anew: the new description's flags are ours alone.
 */
function openSink(descriptor: 1 | 2): Sink {
  if (process.platform !== "linux" || !fstatSync(descriptor).isFIFO())
    return Bun.file(descriptor).writer();
  const { O_WRONLY, O_NONBLOCK } = constants;
  try {
    return Bun.file(openSync(`/proc/self/fd/${descriptor}`, O_WRONLY | O_NONBLOCK)).writer();
  } catch (error) {
    // The pipe is another user's: of the one who ran su or sudo.
    if ((error as NodeJS.ErrnoException).code !== "EACCES") throw error;
    return new SharedPipe(descriptor);
  }
}

/** A pipe that is written to as it is: a thread waits for its reader. */
class SharedPipe implements Sink {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  async write(data: Uint8Array | string): Promise<number> {
    const bytes = Buffer.from(data as Uint8Array);
    for (let at = 0; at < bytes.byteLength; ) at += await this.#some(bytes.subarray(at));
    return bytes.byteLength;
  }

  flush(): number {
    return 0;
  }

  #some(bytes: Uint8Array): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    write(this.#descriptor, bytes, (error, count) => {
      if (!error) resolve(count);
      // Another of those who hold it made it non-blocking.
      else if (error.code === "EAGAIN") setTimeout(() => resolve(0), FULL_MS);
      else reject(error);
    });
    return promise;
  }
}

/** Until a full pipe is tried again (ms). */
const FULL_MS = 5;

function outputError(error: unknown): OperonError {
  const code = (error as { code?: string }).code ?? "";
  if (["EPIPE", "ENXIO", "ECONNRESET", "EBADF"].includes(code)) {
    return new OperonError({
      code: "cli.output_closed",
      kind: "cancelled",
      message: "Nobody reads the output any more",
      cause: error,
    });
  }
  return new OperonError({
    code: "cli.output_failed",
    kind: "data_loss",
    message: `The output could not be written (${code || "unknown reason"})`,
    hint: "Check that the disk it goes to is not full",
    cause: error,
  });
}

/** Loading `node:tty` costs half of a start, so it is asked only about what could be a terminal. */
function isTerminal(descriptor: 0 | 1 | 2): boolean {
  try {
    const found = fstatSync(descriptor);
    const isMemoryDevice = process.platform === "linux" && found.rdev >> 8 === MEMORY_DEVICES;
    if (!found.isCharacterDevice() || isMemoryDevice) return false;
  } catch {
    return false;
  }
  return process.getBuiltinModule("node:tty").isatty(descriptor);
}

/** Linux's major device number of `/dev/null` and its kind. */
const MEMORY_DEVICES = 1;

class ProcessInput implements Input {
  get isTty(): boolean {
    return isTerminal(0);
  }

  get isPiped(): boolean {
    try {
      const found = fstatSync(0);
      return found.isFIFO() || found.isFile() || found.isSocket();
    } catch {
      return false;
    }
  }

  takeKeys(): Keys {
    return takeKeys();
  }

  async *chunks(): AsyncGenerator<Uint8Array, undefined> {
    for await (const chunk of Bun.stdin.stream()) yield chunk;
    return undefined;
  }
}
