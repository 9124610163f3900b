// Builds, then measures the executable against its peers on this machine: `npm run bench -- --only start,exec --rounds 5 --json`.
// It installs nothing and asserts nothing; scripts/bench/ has the rows.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { build } from "./build.mjs";
import { root, setup } from "./setup.mjs";

// Standard output is the table's alone: with --json something may parse it.
console.log = console.error;
const bun = setup();
const operon = process.env.OPERON_EXECUTABLE ?? build();
const child = spawn(bun, [join(root, "scripts", "bench", "main.ts"), ...process.argv.slice(2)], {
  env: { ...process.env, OPERON_EXECUTABLE: operon, BENCH_NODE: process.execPath },
  stdio: "inherit",
});
// The terminal sends Ctrl-C to both; the child removes what it made, and this process waits for it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
