// Copying 10,000 files of 4 KiB to another node, against rsync and scp over ssh.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { timeCommand } from "./command.ts";
import { type Contender, type Figure, interleave, Missing, ms, type Row } from "./row.ts";
import type { Site } from "./site.ts";

const FILES = 10_000;
const FOLDERS = 100;
const FILE_BYTES = 4096;

/** The row `tree`. */
export const tree: Row = {
  id: "tree",
  async measure(site) {
    const { a } = await site.mesh();
    const source = makeTree(join(a.workspace, "tree"));
    const ways: Contender[] = [];
    const missing = new Map<string, string>();
    const add = async (name: string, make: () => Promise<Contender> | Contender) => {
      try {
        const contender = await make();
        await contender.sample();
        ways.push(contender);
      } catch (error) {
        if (!(error instanceof Missing)) throw error;
        missing.set(name, error.message);
      }
    };
    const copy = (name: string) =>
      timeCommand([site.operon, "fs", "copy", "a:/tree", `b:/${name}`, "--recursive"], {
        home: a.home.path,
      });
    await add("operon", () => copying("operon", copy));
    await add("rsync", () => rsync(site, source));
    await add("scp", () => scp(site, source));
    const of = await interleave(ways, site.rounds(3));
    return [
      figure(of, { peer: "rsync", against: "rsync -a over ssh", least: 1 }, missing),
      figure(of, { peer: "scp", against: "scp -r", least: 3 }, missing),
    ];
  },
};

function figure(
  of: (name: string) => number,
  { peer, against, least }: { peer: string; against: string; least: number },
  missing: ReadonlyMap<string, string>,
): Figure {
  const unready = missing.has("operon") ? `not there yet: ${missing.get("operon")}` : undefined;
  const why = unready ?? missing.get(peer);
  return {
    what: "fs copy --recursive, 10,000 files",
    against,
    ours: ms(of("operon")),
    theirs: ms(of(peer)),
    // How many times as quick: the reach is a rate's.
    ratio: of(peer) / of("operon"),
    reach: { least },
    ...(why === undefined ? {} : { skipped: why }),
  };
}

function makeTree(folder: string): string {
  for (let index = 0; index < FOLDERS; index++) {
    const inner = join(folder, `folder-${index}`);
    mkdirSync(inner, { recursive: true });
    for (let file = 0; file < FILES / FOLDERS; file++)
      writeFileSync(
        join(inner, `file-${file}`),
        crypto.getRandomValues(new Uint8Array(FILE_BYTES)),
      );
  }
  return folder;
}

/**
 * Times a copy to a target that is not there, a new one each time: nothing is removed before the end, since file systems
 * without a journal pass over every file that was removed of late for each one that is made.
 */
function copying(name: string, time: (target: string) => number): Contender {
  let copies = 0;
  return { name, sample: () => time(`${name}-${++copies}`) };
}

async function rsync(site: Site, source: string): Promise<Contender> {
  const program = site.program("rsync");
  const { config, fresh } = await site.sshd();
  const folder = site.newFolder("rsync-copies");
  const shell = `${site.program("ssh")} -F ${config}`;
  return copying("rsync", (target) =>
    timeCommand([program, "-a", "-e", shell, `${source}/`, `${fresh}:${join(folder, target)}/`]),
  );
}

async function scp(site: Site, source: string): Promise<Contender> {
  const program = site.program("scp");
  const { config, fresh } = await site.sshd();
  const folder = site.newFolder("scp-copies");
  return copying("scp", (target) =>
    timeCommand([program, "-q", "-r", "-F", config, source, `${fresh}:${join(folder, target)}`]),
  );
}
