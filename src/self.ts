// This executable, started again: how a node gets a process of its own to do one thing beside it.
// It must never hand down `BUN_*`: the runtime in the executable would obey it.
// Next: helper_processes.ts lists what such a process can be; main.ts starts it.

import { fileURLToPath } from "node:url";

/** First argument of a helper process; the name of what it is follows. */
export const HELPER_FLAG = "--helper";

/** Command line of this program: the executable itself, or Bun with the sources when not compiled. */
export function programCommand(): string[] {
  const isCompiled = import.meta.url.includes("$bunfs") || import.meta.url.includes("~BUN");
  const sources = isCompiled ? [] : [fileURLToPath(new URL("./main.ts", import.meta.url))];
  return [process.execPath, ...sources];
}

/** Command line of this program as a helper process. */
export function helperCommand(name: string): string[] {
  return [...programCommand(), HELPER_FLAG, name];
}
