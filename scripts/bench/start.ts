// How long `operon --version` takes, against an executable of the same runtime that only prints a line.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { timeCommands } from "./command.ts";
import { interleave, Missing, ms, type Row } from "./row.ts";
import type { Site } from "./site.ts";

/** Starts per sample. */
const STARTS = 10;

/** The row `start`. */
export const start: Row = {
  id: "start",
  async measure(site) {
    const hello = compileHello(site);
    const of = await interleave(
      [
        { name: "operon", sample: () => startMs([site.operon, "--version"]) },
        { name: "hello", sample: () => startMs([hello]) },
      ],
      site.rounds(15),
    );
    return [
      {
        what: "operon --version",
        against: "compiled hello-world",
        ours: ms(of("operon")),
        theirs: ms(of("hello")),
        ratio: of("operon") / of("hello"),
        reach: { most: 1.5 },
      },
    ];
  },
};

function startMs(argv: readonly string[]): number {
  return timeCommands(argv, { count: STARTS });
}

function compileHello(site: Site): string {
  const folder = site.newFolder("hello");
  const source = join(folder, "hello.ts");
  const outfile = join(folder, "hello");
  writeFileSync(source, 'console.log("hello");\n');
  const { success, stderr } = Bun.spawnSync(
    [process.execPath, "build", "--compile", source, "--outfile", outfile],
    { cwd: folder },
  );
  if (!success) throw new Missing(`the hello-world was not compiled: ${stderr.toString()}`);
  return outfile;
}
