// How long a remote `true` takes, through the local daemon and without one, against ssh with and without a master.

import { timeCommands } from "./command.ts";
import { type Contender, type Figure, interleave, Missing, ms, type Row } from "./row.ts";
import type { Site } from "./site.ts";

/** Commands per sample. */
const COMMANDS = 5;

/** The row `exec`. */
export const exec: Row = {
  id: "exec",
  async measure(site) {
    const { a, c } = await site.mesh();
    const contenders = [
      contender("daemon", operonRun(site), a.home.path),
      contender("direct", operonRun(site), c.home.path),
    ];
    const why = await addSsh(site, contenders);
    const of = await interleave(contenders, site.rounds(12));
    const figure = (parts: {
      what: string;
      ours: string;
      theirs: string;
      most: number;
    }): Figure => ({
      what: parts.what,
      against: parts.theirs === "shared" ? "ssh ControlMaster" : "ssh, fresh",
      ours: ms(of(parts.ours)),
      theirs: ms(of(parts.theirs)),
      ratio: of(parts.ours) / of(parts.theirs),
      reach: { most: parts.most },
      ...(why === undefined ? {} : { skipped: why }),
    });
    return [
      figure({ what: "exec run -- true", ours: "daemon", theirs: "shared", most: 1.1 }),
      figure({ what: "exec run -- true", ours: "daemon", theirs: "fresh", most: 0.05 }),
      figure({ what: "exec run, no daemon", ours: "direct", theirs: "fresh", most: 0.15 }),
    ];
  },
};

function operonRun(site: Site): string[] {
  return [site.operon, "exec", "run", "b", "--", "true"];
}

function contender(name: string, argv: readonly string[], home?: string): Contender {
  const options = home === undefined ? { count: COMMANDS } : { count: COMMANDS, home };
  return { name, sample: () => timeCommands(argv, options) };
}

/** Adds ssh's two ways; says why when there is no ssh. */
async function addSsh(site: Site, contenders: Contender[]): Promise<string | undefined> {
  try {
    const { config, shared, fresh } = await site.sshd();
    const ssh = site.program("ssh");
    contenders.push(contender("shared", [ssh, "-F", config, shared, "true"]));
    contenders.push(contender("fresh", [ssh, "-F", config, fresh, "true"]));
    return undefined;
  } catch (error) {
    if (error instanceof Missing) return error.message;
    throw error;
  }
}
