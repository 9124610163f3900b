// A shell from its first line to its last: prompt, history, Ctrl-C, and the streams its commands get.
// It must never end because of a line, nor keep the terminal from the one who typed it.
// Next: terminal.ts edits lines, shell.ts runs them.

import { OperonError } from "../../error.ts";
import type { CliContext } from "../cli/context.ts";
import { escapeText } from "../cli/escape.ts";
import type { Input, Output, Stdio } from "../cli/stdio.ts";
import type { GlobalFlags, HandWrittenVerb, VerbContext } from "../cli/verb.ts";
import { complete } from "./completion.ts";
import { History } from "./history.ts";
import type { LocalTerminal, Sdk } from "./line_context.ts";
import { placeAt, placeText } from "./place.ts";
import { SharedCaller } from "./shared_caller.ts";
import { Shell } from "./shell.ts";
import { Terminal } from "./terminal.ts";

/** Longest line of a script (UTF-16 units). */
const LINE_CHARS_MAX = 1024 * 1024;
const INTERRUPTED = 130;

/** How a shell is opened. */
export interface SessionOptions {
  readonly verbs: readonly HandWrittenVerb[];
  readonly sdk: Sdk;
  readonly historyPath: string;
  /** `gpu:/data` */
  readonly place: string | undefined;
  /** Run this line and end. */
  readonly command: string | undefined;
}

/** Resolves to the exit code. @throws OperonError `cli.target_invalid` */
export async function runShell(context: VerbContext, options: SessionOptions): Promise<number> {
  await using shared = new SharedCaller(() => context.connect(), context.clock);
  const { stdin, stdout } = context.stdio;
  const isTerminal = options.command === undefined && stdin.isTty && stdout.isTty;
  return isTerminal
    ? await runOnTerminal(context, { ...options, shared })
    : await runScript(context, { ...options, shared });
}

interface Opened extends SessionOptions {
  readonly shared: SharedCaller;
}

async function runOnTerminal(context: VerbContext, options: Opened): Promise<number> {
  const { signal, version, globals } = context;
  const history = new History(options.historyPath);
  const stdout = new LineEndOutput(context.stdio.stdout);
  const stderr = new LineEndOutput(context.stdio.stderr, stdout);
  let controller = new AbortController();
  using terminal = new Terminal({
    history: () => history.lines,
    takeInterrupts: (run) => context.takeInterrupts(run),
    interrupt: () => controller.abort("SIGINT"),
    complete: (line) =>
      complete(line, {
        table: shell.table,
        place: shell.scope.place,
        connect: () => options.shared.connect(),
        signal,
      }),
    signal,
  });
  const stdio: Stdio = {
    stdin: typedInput(terminal, { output: stdout, signal: () => controller.signal }),
    stdout,
    stderr,
  };
  const shell = await openShell(context, { ...options, stdio, terminal, history });
  using _interrupts = context.takeInterrupts(() => controller.abort("SIGINT"));
  if (!globals.quiet) await stdout.write(`operon ${version}: ? explains, Ctrl-D leaves\n`);
  if (history.failure) await context.note(`Lines are not kept (${history.failure})`);
  let code = 0;
  while (shell.exitCode === undefined && !signal.aborted) {
    if (!stdout.isAtLineStart) await stdout.write("\n");
    controller = new AbortController();
    const line = await terminal.read(promptText(shell, { context, code }));
    if (line === undefined) {
      await stdout.write("\n").catch(() => {});
      break;
    }
    history.add(line);
    code = await shell.run(line, AbortSignal.any([signal, controller.signal]));
  }
  return shell.exitCode ?? 0;
}

async function runScript(context: VerbContext, options: Opened): Promise<number> {
  const { signal } = context;
  const { stdin, stdout, stderr } = context.stdio;
  // Its input are lines, not something for a command to read.
  const stdio: Stdio = { stdin: options.command === undefined ? NO_INPUT : stdin, stdout, stderr };
  const shell = await openShell(context, { ...options, stdio });
  const lines = options.command === undefined ? linesOf(stdin) : [options.command];
  let code = 0;
  for await (const line of lines) {
    if (signal.aborted) return INTERRUPTED;
    code = await shell.run(line, signal);
    if (shell.exitCode !== undefined) return shell.exitCode;
  }
  return code;
}

interface ShellOptions extends Opened {
  readonly stdio: Stdio;
  readonly terminal?: LocalTerminal;
  readonly history?: History;
}

async function openShell(context: VerbContext, options: ShellOptions): Promise<Shell> {
  const { globals, env, clock, version, signal } = context;
  const { shared, stdio, verbs, sdk, terminal, history } = options;
  const capabilities = await context.describe();
  const cli: CliContext = {
    describe: async () => capabilities,
    connect: (given) =>
      isSame(given, globals) && !given.lasts ? shared.connect() : context.connect(given),
    verbs,
    stdio,
    env,
    clock,
    version,
    signal,
  };
  const shell = new Shell({
    running: { context: cli, globals },
    capabilities,
    verbs,
    sdk,
    terminal,
    history: () => history?.lines ?? [],
  });
  if (options.place !== undefined) {
    shell.scope.place = placeAt(shell.scope.place, options.place);
  }
  return shell;
}

function isSame(given: Pick<GlobalFlags, "home" | "config" | "identity">, base: GlobalFlags) {
  const { home, config, identity } = base;
  return given.home === home && given.config === config && given.identity === identity;
}

function promptText(
  shell: Shell,
  { context, code }: { readonly context: VerbContext; readonly code: number },
): string {
  const { env, globals } = context;
  const place = escapeText(placeText(shell.scope.place));
  const isColored = globals.color && !env.NO_COLOR && env.TERM !== "dumb";
  if (!isColored) return `${place}> `;
  return `\x1b[36m${place}\x1b[0m\x1b[${code === 0 ? "1" : "31;1"}m>\x1b[0m `;
}

/** What is typed while a command asks: a question's answer, or lines until Ctrl-D. */
function typedInput(
  terminal: Terminal,
  { output, signal }: { readonly output: LineEndOutput; readonly signal: () => AbortSignal },
): Input {
  return {
    isTty: true,
    isPiped: false,
    takeKeys: () => terminal.takeKeys(),
    async *chunks() {
      for (;;) {
        const line = await terminal.ask(output.question, signal());
        output.question = "";
        output.isAtLineStart = true;
        if (line === undefined) return undefined;
        yield new TextEncoder().encode(`${line}\n`);
      }
    },
  };
}

const NO_INPUT: Input = {
  isTty: false,
  isPiped: false,
  async *chunks() {},
};

/** After a line feed, and where a progress has been taken back. */
const LINE_START = /(\n|\r\x1b\[K)$/;

/** Knows whether the cursor is at the start of a line, so that no prompt stands behind an output. */
class LineEndOutput implements Output {
  isAtLineStart = true;
  /** A text without a line end that was written last: the line editor writes it again. */
  question = "";
  readonly #output: Output;
  readonly #first: LineEndOutput;

  constructor(output: Output, first?: LineEndOutput) {
    this.#output = output;
    this.#first = first ?? this;
  }

  get isTty(): boolean {
    return this.#output.isTty;
  }

  get columns(): number {
    return this.#output.columns;
  }

  async write(data: Uint8Array | string): Promise<void> {
    if (data.length === 0) return;
    const isEnd = typeof data === "string" ? LINE_START.test(data) : data.at(-1) === 0x0a;
    this.#first.isAtLineStart = isEnd || !this.isTty;
    this.#first.question = typeof data === "string" && !isEnd ? data : "";
    await this.#output.write(data);
  }
}

async function* linesOf(input: Input): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of input.chunks()) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LINE_CHARS_MAX) throw tooLong();
    yield* lines;
  }
  if (rest !== "") yield rest;
  return undefined;
}

function tooLong(): OperonError {
  return new OperonError({
    code: "cli.line_invalid",
    kind: "invalid_argument",
    message: `A line of the input has more than ${LINE_CHARS_MAX} characters`,
    hint: "Send bulk as a file, not as a line",
  });
}
