// For tests: another process that writes `/a` below the folder in argv[2]: `hang` stops in the middle of an upload;
// `count ID` appends 60 lines with guarded writes and prints how many it wrote.
// It must never be imported.
// Next: write.test.ts starts it.

import { FsBench } from "./fs_call.fixture.ts";

const [folder, mode, id] = process.argv.slice(2);
using bench = new FsBench(() => [{ name: "w", at: "/", path: folder!, read_only: false }]);

if (mode === "hang") await bench.call("write", { path: "/a" }, { content: hanging() });
else process.stdout.write(String(await count()));

async function* hanging() {
  yield Buffer.from("half");
  process.stdout.write("half\n");
  // Ends only by SIGKILL.
  await new Promise((resolve) => setTimeout(resolve, 2 ** 30));
}

async function count(): Promise<number> {
  let wins = 0;
  while (wins < 60) {
    const { text, output } = await bench.call("read", { path: "/a" });
    const input = { path: "/a", expected_version: output.version };
    const code = await bench.failure("write", input, { content: `${text}\n${id}` });
    if (code === undefined) wins++;
    else if (code !== "fs.version_mismatch") throw new Error(code);
  }
  return wins;
}
