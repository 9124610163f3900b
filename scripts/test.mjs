// Sets up, builds, runs every test, and ends with one line: `N passed, N failed`. A test that did not run is a failure.
import { spawn } from "node:child_process";
import { build } from "./build.mjs";
import { root, setup } from "./setup.mjs";

const bun = setup();
const executable = build();
const paths = process.argv.slice(2);
const child = spawn(
  bun,
  ["test", "--timeout", "30000", ...(paths.length > 0 ? paths : ["src", "test"])],
  {
    cwd: root,
    env: { ...process.env, OPERON_EXECUTABLE: executable },
    stdio: ["ignore", "pipe", "pipe"],
  },
);
let tail = "";
for (const [stream, out] of [
  [child.stdout, process.stdout],
  [child.stderr, process.stderr],
]) {
  stream.on("data", (data) => {
    out.write(data);
    tail = (tail + data.toString()).slice(-100_000);
  });
}
child.on("close", (code) => {
  const passed = count("pass");
  const failed = count("fail");
  const skipped = count("skip") + count("todo");
  const isWhole = skipped === 0 || !process.env.CI;
  if (!isWhole) console.log(`${skipped} tests did not run; with CI=true all must`);
  const isGood = code === 0 && failed === 0 && passed > 0 && isWhole;
  console.log(`${passed} passed, ${isGood ? 0 : Math.max(1, failed)} failed`);
  process.exit(isGood ? 0 : 1);
});

function count(word) {
  return Number([...tail.matchAll(new RegExp(`^\\s*(\\d+) ${word}$`, "gm"))].at(-1)?.[1] ?? 0);
}
