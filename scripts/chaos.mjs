// Does real harm to real daemons and checks that they keep their promises: `npm run chaos -- --help`.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { build } from "./build.mjs";
import { root, setup } from "./setup.mjs";

const bun = setup();
const executable = process.env.OPERON_EXECUTABLE ?? build();
const result = spawnSync(
  bun,
  [join(root, "scripts", "chaos", "main.ts"), ...process.argv.slice(2)],
  { cwd: root, env: { ...process.env, OPERON_EXECUTABLE: executable }, stdio: "inherit" },
);
process.exit(result.status ?? 1);
