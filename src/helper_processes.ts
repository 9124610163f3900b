// What this executable can be when it starts itself again beside a node: one line each.
// It must never hold logic, nor load one helper process for another: each must start in milliseconds.
// Next: self.ts makes the command line; main.ts calls `runHelperProcess`.

import { OperonError } from "./error.ts";

/** What a helper process does, from start to exit code. Its parent speaks to it over file descriptors and signals. */
export type HelperProcess = () => Promise<number>;

const helperProcesses: Readonly<Record<string, () => Promise<HelperProcess>>> = {
  "terminal-host": async () =>
    (await import("./capabilities/exec/session/host.ts")).runTerminalHost,
  "exec-job": async () => (await import("./capabilities/exec/detached/supervisor.ts")).superviseJob,
};

/** Runs one by name. @throws OperonError `main.helper_unknown` */
export async function runHelperProcess(name: string): Promise<number> {
  const load = Object.hasOwn(helperProcesses, name) ? helperProcesses[name] : undefined;
  if (!load)
    throw new OperonError({
      code: "main.helper_unknown",
      kind: "invalid_argument",
      message: `There is no helper process "${name}"`,
      hint: "Helper processes are started by a node; see operon help for commands",
    });
  return (await load())();
}
