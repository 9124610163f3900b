// Small calls one after another while a terminal's `yes` floods the same node, against the same without, and beside a `yes` of nobody's.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDriver } from "./driver.ts";
import { environment } from "./mesh.ts";
import { interleave, ms, type Row } from "./row.ts";

const CALLS = { calls: 2000, in_flight: 1 };
/** Until a flood is under way (ms). */
const BEGIN_MS = 500;

/** The row `flooded`. */
export const flooded: Row = {
  id: "flooded",
  async measure(site) {
    const { b, c } = await site.mesh();
    writeFileSync(join(b.workspace, "small.txt"), "small\n");
    const home = c.home.path;
    const driver = await startDriver(site, { file: "operon_calls.ts", args: [], home });
    const beside = async (argv: readonly string[]) => {
      const env = environment(home);
      const stdio = ["ignore", "ignore", "ignore"] as const;
      const flood = site.track(Bun.spawn([...argv], { env, stdio: [...stdio] }));
      await Bun.sleep(BEGIN_MS);
      const elapsed = (await driver.order(CALLS)).elapsed_ms ?? Number.NaN;
      flood.kill();
      await flood.exited;
      return elapsed;
    };
    const session = [site.operon, "exec", "session", "b", "--ephemeral", "--", "yes"];
    const of = await interleave(
      [
        { name: "session", sample: () => beside(session) },
        { name: "outside", sample: () => beside(["yes"]) },
        { name: "free", sample: () => beside(["sleep", "600"]) },
      ],
      site.rounds(5),
    );
    return ["free", "outside"].map((name) => ({
      what: "2,000 calls beside a session's `yes`",
      against: name === "free" ? "the same without" : "beside a `yes` outside",
      ours: ms(of("session")),
      theirs: ms(of(name)),
      ratio: of("session") / of(name),
      reach: { most: 1.2 },
    }));
  },
};
