// Runs commands to their end and says how long they took.
// Next: start.ts, exec.ts, bulk.ts and tree.ts.

import { environment } from "./mesh.ts";
import { Missing } from "./row.ts";

/** Where a command reads from and writes to. */
export interface CommandOptions {
  /** OPERON_HOME. */
  readonly home?: string;
  /** File for standard input. */
  readonly input?: string;
  /** File for standard output; thrown away by default. */
  readonly output?: string;
  /** Exit codes that are no failure; default: 0. */
  readonly accepted?: readonly number[];
}

/** Milliseconds from start to end. @throws Missing with what the command said when it failed */
export function timeCommand(argv: readonly string[], options: CommandOptions = {}): number {
  const startNs = Bun.nanoseconds();
  const { exitCode, stderr } = Bun.spawnSync([...argv], {
    env: environment(options.home ?? "/nonexistent"),
    stdin: options.input === undefined ? "ignore" : Bun.file(options.input),
    stdout: options.output === undefined ? "ignore" : Bun.file(options.output),
    stderr: "pipe",
  });
  const elapsedMs = (Bun.nanoseconds() - startNs) / 1e6;
  if ((options.accepted ?? [0]).includes(exitCode)) return elapsedMs;
  const said = stderr.toString().trim().split("\n")[0] ?? "";
  throw new Missing(`${argv[0]?.split("/").at(-1)} failed: ${said.slice(0, 120)}`);
}

/** The mean of several runs (ms): one of a few milliseconds is too short for a sample. */
export function timeCommands(
  argv: readonly string[],
  { count, ...options }: CommandOptions & { readonly count: number },
): number {
  let total = 0;
  for (let index = 0; index < count; index++) total += timeCommand(argv, options);
  return total / count;
}
