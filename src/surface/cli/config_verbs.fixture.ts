// For tests: runs a configuration verb with captured streams, in a temporary place.
// It must never be imported by anything but tests.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../clock.ts";
import { Registry } from "../../contract/registry.ts";
import { OperonError } from "../../error.ts";
import { configVerbs } from "./config_verbs.ts";
import type { GlobalFlags, VerbContext } from "./verb.ts";

/** How a verb is run. */
export interface RunParts {
  readonly args?: Readonly<Record<string, string>>;
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly globals?: Partial<GlobalFlags>;
  /** What is typed on the terminal; without it there is none. */
  readonly typed?: string;
}

/** What came of it. */
export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly error: OperonError | undefined;
}

/** A temporary user's home folder; dispose it to remove everything. */
export class VerbBench implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "operon-verb-"));
  readonly home = join(this.folder, ".operon");
  readonly config = join(this.home, "config.yaml");
  readonly key = join(this.home, "key");
  readonly workspace = join(this.folder, "operon-workspace");

  /** Runs `onboard`, `config explain` and so on with the node's real capabilities. */
  async run(command: string, parts: RunParts = {}): Promise<RunResult> {
    const verb = configVerbs({ registry }).find(({ path }) => path.join(" ") === command);
    if (!verb) throw new Error(`There is no verb ${command}`);
    const written = { stdout: "", stderr: "" };
    const context = this.#context(written, parts);
    const input = { args: parts.args ?? {}, flags: parts.flags ?? {}, rest: undefined };
    try {
      return { code: await verb.run(input, context), ...written, error: undefined };
    } catch (error) {
      if (!(error instanceof OperonError)) throw error;
      return { code: error.exitCode, ...written, error };
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #context(written: { stdout: string; stderr: string }, parts: RunParts): VerbContext {
    const output = (name: "stdout" | "stderr") => ({
      isTty: false,
      columns: 80,
      async write(data: Uint8Array | string) {
        written[name] += typeof data === "string" ? data : new TextDecoder().decode(data);
      },
    });
    const { typed } = parts;
    const globals = {
      ...{ json: false, quiet: false, verbose: false, yes: false, color: false, help: false },
      ...{ version: false, config: undefined, home: undefined, identity: undefined },
      ...{ timeoutSecs: undefined, ...parts.globals },
    };
    return {
      globals,
      stdio: {
        stdin: {
          isTty: typed !== undefined,
          isPiped: false,
          async *chunks() {
            yield new TextEncoder().encode(typed ?? "");
          },
        },
        stdout: output("stdout"),
        stderr: output("stderr"),
      },
      env: { HOME: this.folder },
      clock: systemClock,
      version: "0.0.0",
      signal: new AbortController().signal,
      describe: async () => [],
      connect: () => Promise.reject(new Error("These verbs call no node")),
      show: async (result) => {
        written.stdout += `${JSON.stringify(result)}\n`;
      },
      takeInterrupts: () => ({ [Symbol.dispose]: () => {} }),
      beginAnew() {},
      note: async (text) => {
        written.stderr += `${text}\n`;
      },
    };
  }
}

async function registry(): Promise<Registry> {
  const { builtin } = await import("../../builtin.ts");
  return new Registry(Object.values(builtin));
}
