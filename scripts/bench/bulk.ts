// Reading and writing 1 GiB with the command line, against scp and against sealed frames with nothing around them.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { timeCommand } from "./command.ts";
import { startDriver } from "./driver.ts";
import { LARGE_BYTES, makeLargeFile } from "./large_file.ts";
import { type Contender, type Figure, gigabytes, interleave, Missing, type Row } from "./row.ts";
import { startServer } from "./server.ts";
import type { Site } from "./site.ts";

/** scp's fastest cipher where the processor helps. */
const CIPHER = "aes128-gcm@openssh.com";

/** The row `bulk`. */
export const bulk: Row = {
  id: "bulk",
  async measure(site) {
    const large = makeLargeFile(join((await site.mesh()).b.workspace, "large.bin"));
    const contenders = [...(await operon(site, large)), ...(await sealed(site))];
    const why = await scp(site, large).then(
      (ways) => void contenders.push(...ways),
      (error) => {
        if (error instanceof Missing) return error.message;
        throw error;
      },
    );
    const of = await interleave(contenders, site.rounds(3));
    return ["read", "write"].flatMap((way) => [
      figure(of, way, { peer: "scp", against: "scp aes128-gcm", least: 1.8, why }),
      figure(of, way, { peer: "sealed", against: "sealed frames alone", least: 0.7 }),
    ]);
  },
};

function figure(
  of: (name: string) => number,
  way: string,
  peer: { peer: string; against: string; least: number; why?: string | undefined },
): Figure {
  const rate = (name: string) => LARGE_BYTES / (of(`${name} ${way}`) / 1000);
  return {
    what: `fs ${way}, 1 GiB`,
    against: peer.against,
    ours: gigabytes(rate("operon")),
    theirs: gigabytes(rate(peer.peer)),
    ratio: rate("operon") / rate(peer.peer),
    reach: { least: peer.least },
    ...(peer.why === undefined ? {} : { skipped: peer.why }),
  };
}

/** The command, with no daemon between: process start, connection and handshake count, as they do for scp. */
async function operon(site: Site, large: string): Promise<Contender[]> {
  const { b, c } = await site.mesh();
  const home = c.home.path;
  return [
    {
      name: "operon read",
      sample: () =>
        timeCommand([site.operon, "fs", "read", "b:/large.bin"], { home, output: "/dev/null" }),
    },
    {
      name: "operon write",
      sample: () => {
        const argv = [site.operon, "fs", "write", "b:/written.bin", "--file", large];
        return removing(join(b.workspace, "written.bin"), () => timeCommand(argv, { home }));
      },
    },
  ];
}

async function scp(site: Site, large: string): Promise<Contender[]> {
  const { config, fresh } = await site.sshd();
  const command = [site.program("scp"), "-q", "-F", config, "-c", CIPHER];
  const written = join(site.folder, "scp.bin");
  return [
    {
      name: "scp read",
      sample: () => timeCommand([...command, `${fresh}:${large}`, "/dev/null"]),
    },
    {
      name: "scp write",
      sample: () =>
        removing(written, () => timeCommand([...command, large, `${fresh}:${written}`])),
    },
  ];
}

async function sealed(site: Site): Promise<Contender[]> {
  const port = await startServer(site, { file: "sealed_server.ts", args: [] });
  const driver = await startDriver(site, { file: "sealed_transfer.ts", args: [String(port)] });
  return ["read", "write"].map((direction) => ({
    name: `sealed ${direction}`,
    sample: async () =>
      (await driver.order({ direction, bytes: LARGE_BYTES })).elapsed_ms ?? Number.NaN,
  }));
}

/** Times something that makes a file, and removes that. */
function removing(path: string, time: () => number): number {
  try {
    return time();
  } finally {
    rmSync(path, { force: true });
  }
}
