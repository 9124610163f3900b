// Wall time that jumps under a running daemon: a day ahead, a day back, and back to what is right.
// It must never touch the machine's own clock: a preloaded library (libfaketime) lies to the daemon alone.
// Next: wire/replay.ts and audit/log.ts are what must hold.

import { existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../test/harness/free_port.ts";
import { collect } from "../../test/harness/mesh.ts";
import { Load } from "./load.ts";
import { NodeProcess } from "./node_process.ts";
import { judge } from "./verdict.ts";
import { must, pause, type Scenario, type World } from "./world.ts";

const BACK_MS = 20_000;
/** How far a request's time may be off (s), with room for the time a test takes. */
const TOLERATED_SECS = 20;
const JUMPS_SECS = [1, -1, 10, -10, 3_600, -3_600, 86_400, -86_400];

/** Jumps of the daemon's clock under load. */
export const clockScenario: Scenario = {
  name: "clock",
  summary:
    "the serving node's clock jumps by seconds, hours and days, both ways, also over restarts",
  rounds: 12,
  run,
};

async function run({ folder, executable, random, rounds, log }: World): Promise<string> {
  const offset = join(folder, "offset");
  const setClock = (seconds: number) => {
    // Put in place whole: the library may read at any moment.
    writeFileSync(`${offset}.new`, `${seconds < 0 ? "" : "+"}${seconds}\n`);
    renameSync(`${offset}.new`, offset);
  };
  setClock(0);
  const make = (name: string, env: Record<string, string>) =>
    new NodeProcess({
      name,
      folder: join(folder, name),
      executable,
      env,
      listen: `127.0.0.1:${freePort()}`,
    });
  await using a = make("a", {
    LD_PRELOAD: libraryPath(),
    FAKETIME_TIMESTAMP_FILE: offset,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  });
  await using b = make("b", {});
  a.configure([b]);
  b.configure([a]);
  await Promise.all([a.start(), b.start()]);
  const baseline = a.descriptors();
  // The node's own user is served whatever the clock says; others only when both clocks agree.
  const own = new Load({ target: a, through: [a, a], random: random.fork("own") });
  const others = new Load({
    target: a,
    through: [b, b],
    random: random.fork("others"),
    tolerated: ["wire.stale"],
  });
  let restarts = 0;
  let before = 0;
  for (let round = 1; round <= rounds; round++) {
    const stops = [own.start(), others.start()];
    await own.served(BACK_MS);
    const seconds = random.pick(JUMPS_SECS);
    setClock(seconds);
    if (Math.abs(seconds) > 60) await mustTell(b, seconds);
    await own.served(BACK_MS);
    await pause(random.between(0, 500));
    const isRestarted = random.chance(0.3);
    if (isRestarted) {
      restarts++;
      await a.kill();
      await a.start();
      await own.served(BACK_MS);
    }
    setClock(0);
    await own.served(BACK_MS);
    // After a restart with the clock ahead, or just back, what was signed until then may have been served already.
    const aheadSecs = isRestarted ? Math.max(seconds, before) : 0;
    before = seconds;
    if (aheadSecs <= 0) await others.served(BACK_MS);
    await Promise.all(stops.map((stop) => stop()));
    if (aheadSecs > TOLERATED_SECS) {
      await startAgain(a);
      own.receipts.length = 0;
      others.receipts.length = 0;
      before = 0;
    }
    await judge(a, { loads: [own, others], baseline });
    log(`round ${round}: ${seconds} s${isRestarted ? ", restarted" : ""}; ${others.summary()}`);
  }
  return `${rounds} jumps, ${restarts} restarts meanwhile, own: ${own.summary()}; others: ${others.summary()}`;
}

/** A caller whose clock disagrees by more than is tolerated is told so, with the difference. */
async function mustTell(b: NodeProcess, seconds: number): Promise<void> {
  await using caller = await b.caller();
  const { error } = await collect(caller, { node: "a", operation: "node.info", input: {} });
  must(error?.code === "wire.stale", `A clock ${seconds} s off is noticed, not ${error?.code}`);
}

/** What a person does whose log has a wrong time at its end: the log is kept aside, a new one begun. */
async function startAgain(node: NodeProcess): Promise<void> {
  await node.stop();
  const kept = readdirSync(node.options.folder).length;
  renameSync(node.home.audit_path, join(node.options.folder, `audit-${kept}`));
  await node.start();
}

function libraryPath(): string {
  const folders = readdirSync("/usr/lib").map((name) => `/usr/lib/${name}/faketime`);
  const paths = [...folders, "/usr/lib/faketime"].map((at) => `${at}/libfaketimeMT.so.1`);
  const path = paths.find((candidate) => existsSync(candidate));
  must(path !== undefined, "libfaketime is installed (scripts/system-packages.sh)");
  return path;
}
