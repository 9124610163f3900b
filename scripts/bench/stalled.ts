// Many small calls while one stream of the same session is open and its reader takes nothing, against no such stream.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDriver } from "./driver.ts";
import { makeLargeFile } from "./large_file.ts";
import { interleave, ms, type Row } from "./row.ts";

const CALLS = { calls: 20_000, in_flight: 64 };

/** The row `stalled`. */
export const stalled: Row = {
  id: "stalled",
  async measure(site) {
    const { b, c } = await site.mesh();
    writeFileSync(join(b.workspace, "small.txt"), "small\n");
    makeLargeFile(join(b.workspace, "large.bin"));
    const home = c.home.path;
    const driver = await startDriver(site, { file: "operon_calls.ts", args: [], home });
    const sample = async (stall: boolean) => {
      await driver.order({ calls: 0, in_flight: 1, stall });
      return (await driver.order(CALLS)).elapsed_ms ?? Number.NaN;
    };
    const of = await interleave(
      [
        { name: "stalled", sample: () => sample(true) },
        { name: "free", sample: () => sample(false) },
      ],
      site.rounds(5),
    );
    return [
      {
        what: "20,000 calls beside a stalled stream",
        against: "the same without",
        ours: ms(of("stalled")),
        theirs: ms(of("free")),
        ratio: of("stalled") / of("free"),
        reach: { most: 1.1 },
      },
    ];
  },
};
