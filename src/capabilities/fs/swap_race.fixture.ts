// For tests: a process that swaps the folder `swap` and the symlink `evil` in a folder, as fast as it can, until killed.
// It must never be imported.
// Next: containment.test.ts starts it.

import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const folder = process.argv[2]!;
const [swap, evil, aside] = ["swap", "evil", "aside"].map((name) => join(folder, name));

restore();
process.stdout.write("ready\n");
for (;;) {
  try {
    renameSync(swap!, aside!);
    renameSync(evil!, swap!);
    renameSync(swap!, evil!);
    renameSync(aside!, swap!);
  } catch {
    restore();
  }
}

/** What the other process may have removed. */
function restore(): void {
  for (const path of [swap, evil, aside]) rmSync(path!, { recursive: true, force: true });
  mkdirSync(swap!, { recursive: true });
  writeFileSync(join(swap!, "o"), "inside");
  symlinkSync("../../outside", evil!);
}
