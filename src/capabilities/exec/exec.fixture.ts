// Runs `exec.run` without a node: facts, handler and a stand-in for the services. Tests only.
// It must never be imported by anything but tests.
// Next: exec.test.ts and attack.test.ts use it.

import { closeSync, mkdtempSync, openSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { z } from "zod";
import type { Call } from "../../contract/capability.ts";
import type { Mounts, Services } from "../../contract/services.ts";
import { OperonError } from "../../error.ts";
import { Secrets } from "../../secret/secrets.ts";
import { type CommandFacts, commandFacts } from "./facts.ts";
import { handlers } from "./handler.ts";
import { operations, settings as settingsSchema } from "./schema.ts";

type RunCall = Call<(typeof operations)["run"], "mounts" | "settings" | "state" | "secrets">;

/** A node with one mount at `/`, a fresh temporary folder. */
export class Bench implements Disposable {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), "operon-exec-")));
  readonly services: Pick<Services, "mounts" | "settings" | "state" | "secrets">;

  constructor(
    settings: z.input<typeof settingsSchema> = { roots: ["/"] },
    own_paths: readonly string[] = [],
  ) {
    const parsed = settingsSchema.parse(settings);
    this.services = {
      mounts: fakeMounts(this.folder),
      settings: { of: () => parsed },
      state: { folder: () => join(this.folder, "..", "unused"), own_paths },
      secrets: new Secrets(() => ({ file: join(this.folder, "secrets.yaml"), names: {} }), {}),
    };
  }

  facts(input: z.input<(typeof operations)["run"]["input"]>): CommandFacts {
    return commandFacts(operations.run.input.parse(input), this.services);
  }

  /** Starts a call; its chunks are there to be iterated. */
  start(
    input: z.input<(typeof operations)["run"]["input"]>,
    options: { incoming?: AsyncIterable<Uint8Array>; signal?: AbortSignal } = {},
  ) {
    const parsed = operations.run.input.parse(input);
    const facts = commandFacts(parsed, this.services);
    return handlers.run(parsed, this.#call({ facts, ...options }));
  }

  /** Runs a call to its end. */
  async run(
    input: z.input<(typeof operations)["run"]["input"]>,
    options: { incoming?: AsyncIterable<Uint8Array>; signal?: AbortSignal } = {},
  ) {
    return await collect(this.start(input, options));
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #call(parts: {
    facts: CommandFacts;
    incoming?: AsyncIterable<Uint8Array>;
    signal?: AbortSignal;
  }): RunCall {
    return {
      operation: "exec.run",
      principal: { id: "ed25519:test", name: "tester", roles: [] },
      via: undefined,
      signal: parts.signal ?? new AbortController().signal,
      deadline_ms: Number.MAX_SAFE_INTEGER,
      trace: { trace_id: "0".repeat(32), span_id: "0".repeat(16) },
      facts: { ...parts.facts },
      incoming: parts.incoming ?? chunksOf([]),
      services: this.services,
      endSending: () => {},
      authorize: () => true,
      fail: (name, data, cause) =>
        new OperonError({
          code: `exec.${name}`,
          ...operations.run.errors[name],
          ...(data === undefined ? {} : { data }),
          cause,
        }),
    } as RunCall;
  }
}

/** Everything a call sent, and its output. */
export async function collect(call: ReturnType<typeof handlers.run>) {
  const parts = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  for (;;) {
    const next = await call.next();
    if (next.done) {
      const stdout = Buffer.concat(parts.stdout);
      const stderr = Buffer.concat(parts.stderr);
      return { output: next.value, stdout, stderr, text: stdout.toString() };
    }
    parts[next.value.channel].push(next.value.bytes);
  }
}

/** Chunks as a stream. */
export async function* chunksOf(chunks: readonly (Uint8Array | string)[]) {
  for (const chunk of chunks) yield typeof chunk === "string" ? Buffer.from(chunk) : chunk;
}

/** A stream that never says anything and never ends. */
export async function* silence(): AsyncGenerator<Uint8Array> {
  await new Promise(() => {});
}

/** Waits until a condition holds; fails after a while. */
export async function until(what: string, holds: () => boolean, withinMs = 5_000): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`Waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Whether a process exists and is not a zombie. */
export function lives(pid: number): boolean {
  const stat = Bun.spawnSync(["cat", `/proc/${pid}/stat`]).stdout.toString();
  return stat !== "" && !/\) [ZX] /.test(stat);
}

function fakeMounts(host: string): Mounts {
  const mount = { name: "workspace", at: "/", path: host, read_only: false };
  const check = (path: string) => {
    if (!path.startsWith("/") || /\/\.{0,2}(\/|$)/.test(path.slice(path === "/" ? 1 : 0))) {
      throw new OperonError({ code: "fs.path_invalid", kind: "invalid_argument", message: "Bad" });
    }
  };
  return {
    mounts: [mount],
    resourceOf: (path) => `fs:workspace${path}`,
    locate(path) {
      check(path);
      return { mount, inner: path.slice(1) };
    },
    parent() {
      throw new Error("not used");
    },
    folder(path) {
      check(path);
      const fd = openSync(join(host, path), 0o10200000);
      return {
        fd,
        path: `/proc/self/fd/${fd}`,
        host_path: join(host, path === "/" ? "" : path),
        virtual_path: path,
        [Symbol.dispose]: () => closeSync(fd),
      };
    },
  };
}
