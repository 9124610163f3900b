// Format, lint, types and the quick tests: for every commit, in under a minute.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root, setup } from "./setup.mjs";

const bun = setup();
const bin = (name) => join(root, "node_modules", ".bin", name);
const steps = [
  ["Format and lint", bin("biome"), ["check", "."]],
  ["Types", bin("tsc"), ["--noEmit"]],
  ["Quick tests", bun, ["test", "src", "test/architecture.test.ts"]],
];
for (const [name, command, args] of steps) {
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.status === 0) {
    console.log(`${name}: ok`);
    continue;
  }
  console.log(`${name}: failed\n${result.stdout}\n${result.stderr}`);
  process.exit(1);
}
