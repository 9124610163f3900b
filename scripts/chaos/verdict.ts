// What must hold after any harm: nothing acknowledged is gone, the log verifies, nothing is left over.
// It must never ask the node what it can see for itself: files, log lines, processes, descriptors.
// Next: load.ts remembers what was acknowledged; the scenarios call judge() after each round.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { AuditEntry } from "../../src/audit/entry.ts";
import { hashLine } from "../../src/audit/line.ts";
import { listSegments } from "../../src/audit/segment.ts";
import { verifyAudit } from "../../src/audit/verify.ts";
import { type Load, versionIn } from "./load.ts";
import type { NodeProcess } from "./node_process.ts";
import { eventually, must } from "./world.ts";

/** Time a node may take to let go of what its callers left (ms). */
const SETTLE_MS = 10_000;

/** Connections that nodes keep between them. */
const SESSIONS_MAX = 2;

/** What a node at rest has open; taken right after a start. */
export type Baseline = readonly string[];

/** Checks everything the loads of one node were promised. They must have stopped and the node must run. */
export async function judge(
  target: NodeProcess,
  { loads, baseline }: { readonly loads: readonly Load[]; readonly baseline: Baseline },
): Promise<void> {
  for (const load of loads) {
    must(load.unexpected.length === 0, `No caller sees what it should not: ${load.unexpected[0]}`);
    judgeFiles(load);
    judgeLines(load);
  }
  judgeResidue(target, loads);
  await judgeProcesses(target);
  await judgeDescriptors(target, baseline);
  const verified = await target.run("audit", "verify", "local", "--json");
  must(verified.code === 0, `audit verify passes: ${verified.out}${verified.err}`);
  const report = await verifyAudit(target.home.audit_path, { key: target.key.publicKey.bytes });
  must(report.ok, `The log verifies without a node: ${JSON.stringify(report.problems)}`);
  for (const load of loads) judgeReceipts(load);
}

function judgeFiles({ files, target }: Load): void {
  for (const [path, { attempted, acknowledged }] of files) {
    const host = join(target.workspace, path);
    if (!existsSync(host)) {
      must(acknowledged === 0, `${path} is there, since version ${acknowledged} was acknowledged`);
      continue;
    }
    const version = versionIn(readFileSync(host));
    must(version !== undefined, `${path} is whole`);
    const isExpected = version >= acknowledged && version <= attempted;
    must(isExpected, `${path} holds version ${acknowledged} or a later one, not ${version}`);
  }
}

function judgeLines({ lines, target }: Load): void {
  for (const [file, { attempted, acknowledged }] of lines) {
    const path = join(target.workspace, file);
    const found = existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : [];
    const written = new Set(found);
    must(written.size === found.length, `No command runs twice (${file})`);
    for (const line of found) must(attempted.has(line), `${file} holds nothing else than asked`);
    for (const line of acknowledged) must(written.has(line), `${line} stays in ${file}`);
  }
}

/** Every acknowledged effect has both of its entries, and the receipt names the first. */
function judgeReceipts({ receipts, target }: Load): void {
  const lines = listSegments(target.home.audit_path).flatMap(({ path }) =>
    readFileSync(path, "utf8").split("\n").slice(0, -1),
  );
  const entries = lines.map((line) => JSON.parse(line) as AuditEntry);
  const finished = new Set(
    entries.flatMap(({ event, call }) => (event === "finished" && call ? [call] : [])),
  );
  for (const { operation, sequence, hash } of receipts) {
    const what = `${operation} of entry ${sequence}`;
    const entry = entries[sequence];
    must(entry?.event === "decided", `The decision on ${what} is in the log`);
    must(hashLine(lines[sequence] as string) === hash, `The receipt of ${what} names its entry`);
    must(finished.has(entry.call ?? ""), `The end of the acknowledged ${what} is in the log`);
  }
}

/** Nothing lies about that no call asked for: half-written files, sockets, locks of others. */
function judgeResidue(target: NodeProcess, loads: readonly Load[]): void {
  const names = ({ files, lines, foreign }: Load) => [
    ...[...files.keys()].map((path) => path.slice(1)),
    ...lines.keys(),
    ...foreign,
  ];
  const known = new Set(loads.flatMap(names));
  const workspace = readdirSync(target.workspace).filter(
    (name) => !known.has(name) && !name.endsWith("-folder"),
  );
  must(workspace.length === 0, `No file is left over in the workspace: ${workspace}`);
  const files = ["key", "config.yaml", "known_nodes.json", "daemon.lock", "daemon.sock"];
  const expected = [...files, "audit", "state", "traces"];
  const home = readdirSync(target.home.path).filter((name) => !expected.includes(name));
  must(home.length === 0, `No file is left over in the home: ${home}`);
}

/** No process of this node lives but its daemon: neither one with its home, nor a helper, which has no environment. */
export async function judgeProcesses(node: NodeProcess): Promise<void> {
  let left: readonly string[] = [];
  const isClean = () => {
    const own = processesOfFolder(node.options.folder).filter((pid) => pid !== String(node.pid));
    left = [...new Set([...own, ...node.children()])];
    return left.length === 0;
  };
  await eventually(isClean, {
    withinMs: SETTLE_MS,
    promise: () => `No process is left over: ${left.map(commandOf)}`,
  });
}

/** Nothing is open in a node's daemon but what was at rest, and its sessions to other nodes. */
export async function judgeDescriptors(node: NodeProcess, baseline: Baseline): Promise<void> {
  let extra: readonly string[] = [];
  const isClean = () => {
    const rest = [...baseline];
    extra = node.descriptors().filter((target) => {
      const at = rest.indexOf(target);
      if (at >= 0) rest.splice(at, 1);
      // The runtime opens and keeps some of its own as it goes.
      return at < 0 && !target.startsWith("anon_inode:");
    });
    // Sessions to the other nodes come and go.
    return extra.length <= SESSIONS_MAX && extra.every((target) => target.startsWith("socket:"));
  };
  await eventually(isClean, {
    withinMs: SETTLE_MS,
    promise: () => `No descriptor is left open: ${extra}\n${socketsOf(node)}`,
  });
}

function socketsOf({ pid }: NodeProcess): string {
  const { stdout } = Bun.spawnSync(["ss", "-txnpa"]);
  const lines = stdout.toString().split("\n");
  return lines.filter((line) => line.includes(`pid=${pid},`)).join("\n");
}

/** Processes that live in a folder, as their environment tells. */
export function processesOfFolder(folder: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
      const home = environment.find((variable) => variable.startsWith("HOME="));
      return `${home}/`.startsWith(`HOME=${folder}/`);
    } catch {
      return false;
    }
  });
}

function commandOf(pid: string): string {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
    // One that ended and was not waited for has no words any more.
    return `${pid} ${words || readFileSync(`/proc/${pid}/stat`, "latin1")}`;
  } catch {
    return pid;
  }
}
