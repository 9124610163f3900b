// This terminal: lines with editing, history and completion; programs and calls that want it for themselves.
// It must never keep the keys while a command runs: Ctrl-C is then a signal, as in any shell.
// Next: shell_session.ts reads lines with it.

import { createInterface, type Interface } from "node:readline";
import { type Keys, setRawMode, takeKeys } from "../cli/terminal_keys.ts";
import type { LocalTerminal } from "./line_context.ts";

/** Lines typed or pasted ahead. */
const AHEAD_MAX = 1_000;

/** What the terminal works with. */
export interface TerminalParts {
  /** Lines of before, oldest first. */
  readonly history: () => readonly string[];
  complete(line: string): Promise<{ candidates: readonly string[]; replaces: string }>;
  takeInterrupts(run: () => void): Disposable;
  /** Ctrl-C that came with a line, right behind it: it is meant for what the line started. */
  interrupt(): void;
  /** Ends a wait for a line. */
  readonly signal: AbortSignal;
}

type Waiting = (line: string | undefined) => void;

/** The terminal of this process. One line is read at a time. Dispose of it to leave it as it was. */
export class Terminal implements LocalTerminal, Disposable {
  readonly #parts: TerminalParts;
  readonly #ahead: string[] = [];
  #editor: Interface | undefined;
  #waiting: Waiting | undefined;
  /** What Ctrl-C does while a line is read. */
  #interrupt: () => void = () => {};

  constructor(parts: TerminalParts) {
    this.#parts = parts;
    parts.signal.addEventListener("abort", () => this[Symbol.dispose](), { once: true });
  }

  get columns(): number {
    return process.stdout.columns || 80;
  }

  get rows(): number {
    return process.stdout.rows || 24;
  }

  /** A line; `undefined` at Ctrl-D. Ctrl-C begins again. */
  read(prompt: string): Promise<string | undefined> {
    return this.#read(prompt, () => {
      process.stdout.write("^C\n");
      this.#clear();
      this.#editor?.prompt();
    });
  }

  /** An answer; `undefined` at Ctrl-D, Ctrl-C and when the signal aborts. It does not join the history. */
  async ask(prompt: string, signal: AbortSignal): Promise<string | undefined> {
    if (signal.aborted) return undefined;
    const abort = () => this.#settle(undefined);
    signal.addEventListener("abort", abort, { once: true });
    const answer = await this.#read(prompt, () => {
      process.stdout.write("^C\n");
      this.#clear();
      this.#settle(undefined);
    });
    // The editor keeps every line as its own history: it starts anew from ours.
    this.#close();
    signal.removeEventListener("abort", abort);
    return answer;
  }

  async runProgram(argv: readonly string[]): Promise<number> {
    this.#close();
    using _ignored = this.#parts.takeInterrupts(() => {});
    const child = Bun.spawn([...argv], { stdin: "inherit", stdout: "inherit", stderr: "inherit" });
    return await child.exited;
  }

  takeKeys(): Keys {
    this.#close();
    return takeKeys();
  }

  [Symbol.dispose](): void {
    this.#close();
    this.#settle(undefined);
  }

  #read(prompt: string, interrupt: () => void): Promise<string | undefined> {
    if (this.#parts.signal.aborted) return Promise.resolve(undefined);
    const ahead = this.#ahead.shift();
    if (ahead !== undefined) {
      process.stdout.write(`${prompt}${ahead}\n`);
      return Promise.resolve(ahead);
    }
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.#waiting = resolve;
    this.#interrupt = interrupt;
    const editor = this.#open();
    setRawMode(true);
    editor.setPrompt(prompt);
    editor.resume();
    editor.prompt(true);
    return promise;
  }

  #open(): Interface {
    if (this.#editor) return this.#editor;
    const editor = createInterface({
      input: process.stdin,
      output: process.stdout,
      terminal: true,
      history: this.#parts.history().toReversed(),
      historySize: 1_000,
      removeHistoryDuplicates: true,
      completer: (line: string, done: (error: null, found: [string[], string]) => void) => {
        this.#parts.complete(line).then(
          ({ candidates, replaces }) => done(null, [[...candidates], replaces]),
          () => done(null, [[], line]),
        );
      },
    });
    editor.on("line", (line) => this.#settle(line));
    editor.on("SIGINT", () => {
      if (this.#waiting) this.#interrupt();
      else this.#parts.interrupt();
    });
    editor.on("close", () => {
      if (this.#editor !== editor) return;
      this.#editor = undefined;
      this.#rest();
      this.#settle(undefined);
    });
    this.#editor = editor;
    return editor;
  }

  #settle(line: string | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) {
      this.#rest();
      waiting(line);
    } else if (line !== undefined && this.#ahead.length < AHEAD_MAX) this.#ahead.push(line);
  }

  /** Gives the keys back until the next line is read. */
  #rest(): void {
    this.#editor?.pause();
    process.stdin.pause();
    setRawMode(false);
  }

  #clear(): void {
    this.#editor?.write(null, { ctrl: true, name: "e" });
    this.#editor?.write(null, { ctrl: true, name: "u" });
  }

  #close(): void {
    const editor = this.#editor;
    this.#editor = undefined;
    try {
      editor?.close();
    } catch {
      // It puts a terminal in order that may be gone.
    }
    if (editor) this.#rest();
  }
}
