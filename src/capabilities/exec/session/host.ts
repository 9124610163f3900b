// The process that holds one terminal: starts the command in it, keeps its last output, serves who looks at it.
// It must never read more from the terminal than those who hold it can take: the command then waits, nobody else.
// Next: pty.ts is the terminal, protocol.ts what it says to the node; helper_processes.ts starts it.

import { closeSync, constants as files, openSync, readFileSync } from "node:fs";
import { systemClock } from "../../../clock.ts";
import { Redactor, type SecretValues } from "../../../secret/redactor.ts";
import type { LocalChannel } from "../../../wire/local.ts";
import { LocalListener } from "../../../wire/local_listener.ts";
import { Confinement, type ConfinementOrder } from "../launch/confinement.ts";
import { type Exit, signalName } from "../launch/exit.ts";
import { type Launched, launch } from "../launch/launch.ts";
import { ProcessTree, tagLimit } from "../process_tree.ts";
import { HostClient } from "./host_client.ts";
import { FRAME_BYTES_MAX, type SessionEnd } from "./protocol.ts";
import { PseudoTerminal, type TerminalSize } from "./pty.ts";
import { Recording } from "./recording.ts";
import { Ring } from "./ring.ts";
import { FILES, writeWhole } from "./session_record.ts";

/** What it is to hold; comes over standard input, because the environment may hold secrets. */
export interface HostRequest {
  /** The session's folder. */
  readonly folder: string;
  /** Where the command starts; can be reached until the answer is given. */
  readonly cwd: string;
  readonly executable: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Those in the environment whose values nobody is to see here. */
  readonly secrets: SecretValues;
  readonly size: TerminalSize;
  readonly term: string;
  readonly timeout_secs: number | undefined;
  readonly confinement: ConfinementOrder;
  /** Bytes a recording may have; `undefined` for none. */
  readonly recording_bytes_max: number | undefined;
}

/** Its one line on standard output: that it runs, or what the system said. */
export interface HostAnswer {
  readonly error?: string;
}

/** How much of the output is kept for those who come later (bytes). */
const RING_BYTES = 1024 * 1024;
/** How far a client that types may be behind before the command has to wait (bytes). */
const LAG_BYTES_MAX = 256 * 1024;
/** Waiting for more output after the command's end, while something it left holds the terminal (ms). */
const AFTER_EXIT_MS = 200;
/** How long whoever looks may take for the rest of the output (ms); later it is read from the disk. */
const FAREWELL_MS = 1_000;
/** Silence after which a terminal shows what looks like the first bytes of a secret (ms): mostly it is a key's echo. */
const RELEASE_MS = 50;
const EXIT_TIMEOUT = 124;

/** Holds a terminal until its command has ended. */
export async function runTerminalHost(): Promise<number> {
  process.on("SIGHUP", () => {});
  process.on("SIGINT", () => {});
  const request = JSON.parse(readFileSync(0, "utf8")) as HostRequest;
  let host: Host;
  try {
    process.chdir(request.cwd);
    host = Host.start(request);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    process.stdout.write(`${JSON.stringify({ error: code ?? "EIO" } satisfies HostAnswer)}\n`);
    return 1;
  }
  process.stdout.write(`${JSON.stringify({} satisfies HostAnswer)}\n`);
  await host.run();
  return 0;
}

/** The terminal with everything around it. */
class Host {
  readonly #request: HostRequest;
  readonly #terminal: PseudoTerminal;
  readonly #recording: Recording | undefined;
  readonly #server: Disposable;
  readonly #clients = new Set<HostClient>();
  readonly #ring = new Ring(RING_BYTES);
  readonly #redactor: Redactor | undefined;
  readonly #tree: ProcessTree<Launched>;
  readonly #confinement: Confinement;
  readonly #exited: Promise<undefined>;
  /** What the terminal has still to take. */
  #typing: Promise<void> | undefined;
  #wake: () => void = () => {};
  #exit: Exit | undefined;
  #isTimedOut = false;
  #recordingFailed = false;

  static start(request: HostRequest): Host {
    const { size, term, recording_bytes_max: bytesMax } = request;
    const terminal = new PseudoTerminal(size);
    const recording =
      bytesMax === undefined
        ? undefined
        : new Recording(request.folder, { size, term, bytesMax, nowMs: () => systemClock.nowMs() });
    const host: { current?: Host } = {};
    const server = listen(request.folder, (channel) => host.current?.serve(channel));
    host.current = new Host(request, { terminal, recording, server });
    return host.current;
  }

  private constructor(
    request: HostRequest,
    parts: {
      readonly terminal: PseudoTerminal;
      readonly recording: Recording | undefined;
      readonly server: Disposable;
    },
  ) {
    this.#request = request;
    const hasSecrets = Object.keys(request.secrets).length > 0;
    this.#redactor = hasSecrets ? new Redactor(request.secrets) : undefined;
    this.#terminal = parts.terminal;
    this.#recording = parts.recording;
    this.#server = parts.server;
    const { cwd, executable, argv, env } = request;
    this.#confinement = new Confinement(request.confinement, cwd);
    const { restrictions, group } = this.#confinement;
    const start = (tag: bigint) =>
      launch({
        executable,
        argv,
        environment: env,
        folder: cwd,
        stdio: this.#terminal.path,
        restrictions: { ...restrictions, limits: [...restrictions.limits, tagLimit(tag)] },
      });
    this.#tree = new ProcessTree(start, group);
    this.#exited = this.#tree.child.exited.then((exit) => {
      this.#exit = exit;
      this.#tree.exited();
      this.#wake();
      return undefined;
    });
  }

  /** Resolves when the command has ended and those who looked know it. */
  async run(): Promise<void> {
    const { timeout_secs } = this.#request;
    using _deadline =
      timeout_secs === undefined
        ? undefined
        : systemClock.after(timeout_secs * 1000, () => {
            this.#isTimedOut = true;
            void this.#tree.kill(systemClock);
          });
    await this.#readAll();
    await this.#exited;
    const end = this.#end();
    this.#keep(end);
    this.#server[Symbol.dispose]();
    await this.#sayGoodbye(end);
    // What the command left behind has lost its terminal (SIGHUP); what ignores that goes, too.
    this.#terminal[Symbol.dispose]();
    this.#recording?.[Symbol.dispose]();
    if (this.#tree.isAlive()) await this.#tree.kill(systemClock, 100);
    this.#confinement[Symbol.dispose]();
  }

  serve(channel: LocalChannel): void {
    const client = new HostClient(channel, {
      ring: this.#ring,
      input: (bytes) => this.#type(bytes),
      resize: (size) => this.#resize(size),
      hangup: () => void this.#tree.kill(systemClock),
      changed: () => this.#wake(),
      left: () => {
        this.#clients.delete(client);
        if (client.holds) void this.#tree.kill(systemClock);
        this.#wake();
      },
    });
    this.#clients.add(client);
  }

  /** Whatever the terminal shows, until the command and all it left in it are gone. */
  async #readAll(): Promise<void> {
    let unsentBytes = 0;
    for (;;) {
      await this.#room();
      const reading = this.#terminal.read();
      using _release = this.#redactor && this.#releaseLater(this.#redactor);
      const bytes = await this.#orSilence(reading);
      if (!bytes) break;
      this.#keepShown(this.#redactor?.push(bytes) ?? bytes);
      unsentBytes += bytes.byteLength;
      // A terminal gives 4 KiB at a time; a flood is passed on in larger pieces.
      if (unsentBytes < FRAME_BYTES_MAX && this.#terminal.hasMore) continue;
      unsentBytes = 0;
      for (const client of this.#clients) client.flush();
    }
    // Clients get it with the end.
    if (this.#redactor) this.#keepShown(this.#redactor.flush());
  }

  #releaseLater(redactor: Redactor): Disposable {
    return systemClock.after(RELEASE_MS, () => {
      this.#keepShown(redactor.release());
      for (const client of this.#clients) client.flush();
    });
  }

  #keepShown(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return;
    this.#ring.append(bytes);
    this.#record((recording) => recording.output(bytes));
  }

  /** Waits while somebody who types is too far behind, but not for them to let an ended command go. */
  async #room(): Promise<void> {
    const isFull = () =>
      [...this.#clients].some(
        ({ isReadOnly, position }) => !isReadOnly && this.#ring.end - position > LAG_BYTES_MAX,
      );
    while (!this.#exit && isFull()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** What a read gives; nothing when the command has ended and nothing more came for a while. */
  async #orSilence(reading: Promise<Uint8Array | undefined>): Promise<Uint8Array | undefined> {
    const beforeExit = await Promise.race([reading, this.#exited]);
    if (beforeExit) return beforeExit;
    const { promise: silence, resolve } = Promise.withResolvers<undefined>();
    using _timer = systemClock.after(AFTER_EXIT_MS, () => resolve(undefined));
    return await Promise.race([reading, silence]);
  }

  /** A promise of the time when the terminal has taken it, if that is not now; one after another. */
  #type(bytes: Uint8Array): Promise<void> | undefined {
    const typing = this.#typing
      ? this.#typing.then(() => this.#terminal.write(bytes))
      : this.#terminal.write(bytes);
    if (!typing) return undefined;
    const typed = typing
      .catch(() => {})
      .then(() => {
        if (this.#typing === typed) this.#typing = undefined;
      });
    this.#typing = typed;
    return typed;
  }

  #resize(size: TerminalSize): void {
    this.#terminal.resize(size);
    this.#record((recording) => recording.resize(size));
  }

  #record(step: (recording: Recording) => void): void {
    if (!this.#recording || this.#recordingFailed) return;
    try {
      step(this.#recording);
    } catch {
      this.#recordingFailed = true;
      void this.#tree.kill(systemClock);
    }
  }

  #end(): SessionEnd {
    const { code, signal } = this.#exit ?? { code: undefined, signal: 9 };
    return {
      exit_code: this.#isTimedOut ? EXIT_TIMEOUT : (code ?? 128 + (signal ?? 0)),
      ...(signal === undefined ? {} : { signal: signalName(signal) }),
      timed_out: this.#isTimedOut,
      output_bytes: this.#ring.end,
      ended_at: new Date(systemClock.nowMs()).toISOString(),
      ...(this.#recordingFailed ? { recording_failed: true } : {}),
      ...this.#confinement.report,
    };
  }

  /** For those who come later. A disk that is full costs them the output, not this process its end. */
  #keep(end: SessionEnd): void {
    const { folder } = this.#request;
    const from = this.#ring.start;
    try {
      writeWhole(folder, FILES.output, this.#ring.read(from, RING_BYTES));
      writeWhole(folder, FILES.end, JSON.stringify({ ...end, output_from: from }));
    } catch {
      // Without an end on disk the session counts as lost.
    }
  }

  async #sayGoodbye(end: SessionEnd): Promise<void> {
    const parting = Promise.all([...this.#clients].map((client) => client.end(end)));
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = systemClock.after(FAREWELL_MS, resolve);
    await Promise.race([parting, promise]);
  }
}

/** By way of the folder's descriptor: a socket's path may have 107 bytes only. */
function listen(folder: string, serve: (channel: LocalChannel) => void): Disposable {
  const fd = openSync(folder, files.O_RDONLY | files.O_DIRECTORY);
  using stack = new DisposableStack();
  stack.defer(() => closeSync(fd));
  stack.use(new LocalListener(`/proc/self/fd/${fd}/${FILES.socket}`, serve));
  return stack.move();
}
