// Looking at twenty nodes at once, each behind a line of its own slowness, against looking at the slowest alone.

import { timeCommand } from "./command.ts";
import { startNodes } from "./mesh.ts";
import { interleave, ms, type Row } from "./row.ts";
import { startServer } from "./server.ts";

const NODES = 20;
/** What each node is further away than the one before it, each way (ms). */
const STEP_MS = 5;

/** The row `doctor`. */
export const doctor: Row = {
  id: "doctor",
  async measure(site) {
    const daemons = Array.from({ length: NODES }, (_, index) => `node-${index + 1}`);
    let delayMs = 0;
    const nodes = await startNodes(site, {
      folderName: "doctor-mesh",
      daemons,
      reachedAt(port) {
        delayMs += STEP_MS;
        const args = [String(port), String(delayMs)];
        return startServer(site, { file: "delay_relay.ts", args });
      },
    });
    const home = nodes.get("c")?.home.path ?? "";
    const look = (argv: readonly string[]) =>
      timeCommand([site.operon, "doctor", ...argv], { home, accepted: [0, 1] });
    const of = await interleave(
      [
        { name: "all", sample: () => look([]) },
        { name: "slowest", sample: () => look(["--node", daemons.at(-1) ?? ""]) },
      ],
      site.rounds(5),
    );
    for (const { daemon } of nodes.values()) daemon?.kill();
    return [
      {
        what: "doctor, 20 nodes up to 100 ms away",
        against: "the slowest alone",
        ours: ms(of("all")),
        theirs: ms(of("slowest")),
        ratio: of("all") / of("slowest"),
        reach: { most: 1.2 },
      },
    ];
  },
};
