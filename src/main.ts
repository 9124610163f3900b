#!/usr/bin/env bun
// The executable: the only file that reads argv, turns signals into aborts, or exits.
// It must never load what the command at hand does not need: start-up time is part of the product.
// Next: program.ts wires the command line; helper_processes.ts has the processes it starts itself as.

import { HELPER_FLAG, programCommand } from "./self.ts";
import { VERSION } from "./version.ts";

const argv = process.argv.slice(2);
if (argv[0] === HELPER_FLAG) {
  const { runHelperProcess } = await import("./helper_processes.ts");
  process.exit(await runHelperProcess(argv[1] ?? ""));
}
const isDaemonLink = /(^|[\\/])operond[^\\/]*$/.test(process.argv0);
if (!isDaemonLink && isVersionAlone(argv) && (await isPrinted(`operon ${VERSION}\n`)))
  process.exit(0);

const interrupts: (() => void)[] = [];
const signal = interruptSignal();
const { runProgram } = await import("./program.ts");
const replace = process.platform === "win32" ? undefined : process.execve;
const code = await runProgram(isDaemonLink ? ["daemon", ...argv] : argv, {
  signal,
  ...(replace && {
    beginAnew(variables: Readonly<Record<string, string>>) {
      const [, ...sources] = programCommand();
      const words = [process.argv0, ...sources, ...argv];
      try {
        replace(process.execPath, words, { ...process.env, ...variables });
      } catch {
        // The file is gone since, or may not be run again: this process does as it is.
      }
    },
  }),
  takeInterrupts(run) {
    interrupts.push(run);
    return { [Symbol.dispose]: () => void interrupts.splice(interrupts.indexOf(run), 1) };
  },
});
process.exit(code);

/** The one question that needs nothing of the program. */
function isVersionAlone([word, ...more]: readonly string[]): boolean {
  return more.length === 0 && (word === "--version" || word === "-V");
}

/** Prints; when that fails, the program says why in its own way. */
function isPrinted(text: string): Promise<boolean> {
  return Bun.write(Bun.stdout, text).then(
    () => true,
    () => false,
  );
}

/** Aborts on the first SIGINT or SIGTERM; a second one ends the process at once. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      const taken = name === "SIGINT" ? interrupts.at(-1) : undefined;
      if (taken) return taken();
      if (controller.signal.aborted) process.exit(130);
      controller.abort(name);
    });
  }
  return controller.signal;
}
