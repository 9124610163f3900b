// How long a key takes to come back from a program on a terminal of another node, against ssh -tt; and against two
// processes of the same runtime with nothing around the bytes, which is as fast as it could be.

import { join } from "node:path";
import { environment } from "./mesh.ts";
import { type Contender, interleave, Missing, median, type Row } from "./row.ts";
import { startServer } from "./server.ts";
import type { Site } from "./site.ts";

/** Keys per sample. */
const KEYS = 100;
/** A key that has not come back by then (ms) never will. */
const LOST_MS = 10_000;
/** Takes keys one by one and sends each back; the terminal itself adds nothing. */
const PROGRAM = "stty raw -echo; echo ready; exec cat";

/** The row `terminal`. */
export const terminal: Row = {
  id: "terminal",
  async measure(site) {
    const { a } = await site.mesh();
    const session = [site.operon, "exec", "session", "b", "--ephemeral", "--"];
    const contenders = [
      await typing(site, "operon", { argv: [...session, "sh", "-c", PROGRAM], home: a.home.path }),
    ];
    const port = await startServer(site, { file: "terminal_server.ts", args: [PROGRAM] });
    const client = join(import.meta.dir, "driver/terminal_client.ts");
    contenders.push(
      await typing(site, "bare", {
        argv: [process.execPath, client, String(port)],
        home: "/nonexistent",
      }),
    );
    const { config, fresh } = await site.sshd();
    contenders.push(
      await typing(site, "ssh", {
        argv: [site.program("ssh"), "-F", config, "-tt", fresh, PROGRAM],
        home: "/nonexistent",
      }),
    );
    const of = await interleave(contenders, site.rounds(7));
    const against = (peer: string) => ({
      what: "exec session, a key's echo, p50",
      ours: `${of("operon").toFixed(0)} µs`,
      theirs: `${of(peer).toFixed(0)} µs`,
      ratio: of("operon") / of(peer),
    });
    return [
      { ...against("ssh"), against: "ssh -tt", reach: { most: 0.5 } },
      { ...against("bare"), against: "bare terminal", reach: {} },
    ];
  },
};

/** A program on a local terminal; a sample is the median time from a key to its echo (µs). */
async function typing(
  site: Site,
  name: string,
  { argv, home }: { readonly argv: readonly string[]; readonly home: string },
): Promise<Contender> {
  let text = "";
  let changed = () => {};
  const child = site.track(
    Bun.spawn([...argv], {
      env: { ...environment(home), TERM: "xterm" },
      terminal: {
        cols: 80,
        rows: 24,
        data(_terminal, data) {
          text += Buffer.from(data).toString("latin1");
          changed();
        },
      },
    }),
  );
  const until = async (expected: string) => {
    const deadline = performance.now() + LOST_MS;
    while (!text.includes(expected)) {
      if (child.exitCode !== null || performance.now() > deadline) {
        throw new Missing(`${name} did not answer: ${JSON.stringify(text.slice(-120))}`);
      }
      const timer = setTimeout(() => changed(), LOST_MS);
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
      clearTimeout(timer);
    }
    text = "";
  };
  await until("ready");
  return {
    name,
    async sample() {
      const times: number[] = [];
      for (let key = 0; key < KEYS; key++) {
        const start = performance.now();
        child.terminal?.write("k");
        await until("k");
        times.push((performance.now() - start) * 1000);
      }
      return median(times);
    },
  };
}
