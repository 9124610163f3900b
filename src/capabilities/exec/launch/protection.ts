// Keeps the node's own files (key, secrets, audit log, configuration, socket) from the commands it runs.
// It must never say that it protects when it does not: each way is tried once on a process before it is relied on.
// Next: landlock.ts and launch.c do it; confinement.ts joins it with limits.
//
// As root: a mount namespace in which the node's folders are covered, and the capabilities are gone that could uncover
// them or read the disk or memory beneath; Landlock on top refuses devices, mounts, and processes outside, such as the
// node itself. As another user: Landlock alone, which can only grant. Everything is granted but the node's own paths,
// so a command cannot make a new file directly in a folder on the way to them (with the usual home: in ~ and in /home).
// What neither stops: asking another service of this machine (systemd, docker, cron) to do it. A user of its own for
// the node, whom these do not obey, is the answer to that.

import { readdirSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { allRights, landlockVersion, RIGHT, Ruleset, SCOPE_ALL } from "./landlock.ts";
import { canRestrict, NO_RESTRICTIONS, type Restrictions } from "./launch.ts";

/** What keeps commands from the node's own files. */
export type ProtectionKind = "namespace" | "landlock" | "none";

/** A way of protecting, ready to be put on commands. */
export interface Protection {
  readonly kind: ProtectionKind;
  readonly restrictions: Pick<Restrictions, "ruleset" | "hidden" | "lost_capabilities">;
}

/** First version that lets files be moved between folders. */
const LANDLOCK_MIN = 2;
/** DAC_READ_SEARCH, SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_BOOT, SYS_RESOURCE, MKNOD, MAC_*, PERFMON, BPF, CHECKPOINT_RESTORE. */
const LOST_CAPABILITIES = [2, 16, 17, 19, 21, 22, 24, 27, 32, 33, 38, 39, 40];
/** Devices that show a disk or the memory whatever the rights to files are, besides block devices. */
const RAW_DEVICE = /^(mem|kmem|port|sg\d+)$/;
const DEVICES = "/dev";

const NONE: Protection = { kind: "none", restrictions: NO_RESTRICTIONS };

/** How to protect. */
export interface ProtectionOptions {
  /** Host paths of what is the node's own. */
  readonly own: readonly string[];
  /** Also from signals and abstract sockets: then no command can end what another one started. */
  readonly isStrict: boolean;
}

/** The best protection this machine gives a command that starts in `folder`. */
export function protectionFor(folder: string, { own, isStrict }: ProtectionOptions): Protection {
  const all = [...new Set(own.flatMap(realPath))];
  const paths = all.filter((path) => !all.some((one) => one !== path && isWithin(path, one)));
  const at = realPath(folder)[0];
  // What is inside cannot be kept out.
  if (at === undefined || paths.length === 0 || paths.some((path) => isWithin(at, path)))
    return NONE;
  return (
    waysFor(paths, isStrict)
      .find(({ holds }) => holds())
      ?.protection() ?? NONE
  );
}

/** Ways to protect, best first; each keeps what it made for the next command. */
interface Way {
  holds(): boolean;
  protection(): Protection;
}

const known = new Map<string, readonly Way[]>();

function waysFor(paths: readonly string[], isStrict: boolean): readonly Way[] {
  const key = JSON.stringify([paths, isStrict]);
  let ways = known.get(key);
  if (!ways) {
    ways = process.platform === "linux" && landlockVersion() >= LANDLOCK_MIN ? makeWays() : [];
    known.set(key, ways);
  }
  return ways;

  function makeWays(): readonly Way[] {
    const scoped = isStrict ? SCOPE_ALL : 0n;
    const lost_capabilities = process.geteuid?.() === 0 ? LOST_CAPABILITIES : [];
    const raw = rawDevices();
    const devicesOnly = { denied: raw, handled: DEVICE_RIGHTS, scoped };
    const everything = { denied: [...paths, ...raw], handled: allRights(), scoped };
    return [
      way("namespace", devicesOnly, { hidden: paths, lost_capabilities }),
      way("landlock", everything, { hidden: [], lost_capabilities }),
    ];
  }
}

/** Enough to refuse devices and, as any ruleset does, mounts and processes outside. */
const DEVICE_RIGHTS =
  RIGHT.read_file |
  RIGHT.write_file |
  RIGHT.make_block_device |
  RIGHT.make_character_device |
  RIGHT.refer;

function way(
  kind: ProtectionKind,
  grants: GrantOptions,
  rest: Pick<Restrictions, "hidden" | "lost_capabilities">,
): Way {
  const rules = new CurrentRules(grants);
  const protection = () => ({ kind, restrictions: { ...rest, ruleset: rules.fd() } });
  let verdict: boolean | undefined;
  return {
    protection,
    holds() {
      const { restrictions } = protection();
      verdict ??= canRestrict({ ...NO_RESTRICTIONS, ...restrictions, no_new_privileges: true });
      return verdict;
    },
  };
}

interface GrantOptions {
  /** Host paths that get nothing, and what is below them. */
  readonly denied: readonly string[];
  readonly handled: bigint;
  readonly scoped: bigint;
}

/** A ruleset that is made again when something appeared beside what is denied. */
class CurrentRules {
  readonly #options: GrantOptions;
  /** Folders with something denied in them, and when they changed. */
  #seen = "";
  #ruleset: Ruleset | undefined;

  constructor(options: GrantOptions) {
    this.#options = options;
  }

  fd(): number {
    const folders = new Set(this.#options.denied.flatMap(ancestors));
    const seen = [...folders].map((folder) => `${folder} ${changeTime(folder)}`).join("\n");
    if (this.#ruleset && seen === this.#seen) return this.#ruleset.fd;
    const { denied, handled, scoped } = this.#options;
    const ruleset = new Ruleset(handled, scoped);
    ruleset.grant("/", RIGHT.read_folder);
    for (const folder of folders) {
      for (const entry of readEntries(folder)) {
        const path = join(folder, entry.name);
        if (denied.includes(path) || folders.has(path) || entry.isSymbolicLink()) continue;
        ruleset.grant(path, handled, entry.isDirectory());
      }
    }
    this.#ruleset?.[Symbol.dispose]();
    this.#ruleset = ruleset;
    this.#seen = seen;
    return ruleset.fd;
  }
}

function rawDevices(): readonly string[] {
  return readEntries(DEVICES)
    .filter((entry) => entry.isBlockDevice() || RAW_DEVICE.test(entry.name))
    .map(({ name }) => join(DEVICES, name))
    .concat(join(DEVICES, "mem"));
}

function readEntries(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function changeTime(folder: string): string {
  try {
    return String(statSync(folder, { bigint: true }).ctimeNs);
  } catch {
    return "";
  }
}

function ancestors(path: string): string[] {
  const above = dirname(path);
  return above === path ? [] : [...ancestors(above), above];
}

function realPath(path: string): readonly string[] {
  try {
    return [realpathSync(path)];
  } catch {
    return [];
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
