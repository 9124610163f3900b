// Builds, then runs a tool of scripts/ against the executable: what `npm run bench`, `chaos` and `soak` have in common.
// Standard output is the tool's alone: with --json something may parse it.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { build } from "./build.mjs";
import { root, setup } from "./setup.mjs";

/** Runs `scripts/NAME/main.ts` with this process's arguments, and exits as it does. */
export function runBuilt(name) {
  console.log = console.error;
  const bun = setup();
  const executable = process.env.OPERON_EXECUTABLE ?? build();
  const child = spawn(bun, [join(root, "scripts", name, "main.ts"), ...process.argv.slice(2)], {
    env: { ...process.env, OPERON_EXECUTABLE: executable, BENCH_NODE: process.execPath },
    stdio: "inherit",
  });
  // The terminal sends Ctrl-C to both; the child removes what it made, and this process waits for it.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
}
