// What happens to nodes and around them: reloads, keys withdrawn and given back, callers and nodes that come and go.
// It must never keep one activity from meeting what another one causes: that is what a soak is for.
// Next: activity.ts repeats these.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { collect } from "../../test/harness/mesh.ts";
import { RawPeer } from "../../test/harness/raw_peer.ts";
import { must, pause } from "../chaos/world.ts";
import { type Activity, done, type Round } from "./activity.ts";
import type { Way } from "./site.ts";

const WORKFLOW = `name: soak
steps:
  - { id: write, node: a, action: fs.write, path: /workflow.txt, content: "one two three" }
  - { id: read, node: a, action: fs.read, path: /workflow.txt }
  - { id: count, node: a, action: exec.run, argv: [wc, -w], content: "\${{ steps.read.content }}" }
  - { id: gone, node: a, action: fs.rm, path: /workflow.txt }
`;
/** What whoever's key was withdrawn sees. */
const WITHDRAWN = ["policy.denied", "policy.revoked", "wire.session_closed", "node.cancelled"];

/** Everything about nodes. */
export const nodeActivities: readonly Activity[] = [
  { name: "audit follow", round: follow },
  { name: "workflow", round: workflow },
  { name: "reload", round: reload },
  { name: "withdrawn", round: beGuest, tolerated: WITHDRAWN },
  { name: "denied", round: beDenied },
  { name: "callers", round: comeAndGo },
  { name: "reconnect", round: restart },
];

async function follow({ site, random }: Round): Promise<void> {
  const way = random.pick(site.ways);
  const leaving = new AbortController();
  const call = way.caller.call(way.node, "audit.follow", {}, { signal: leaving.signal });
  try {
    // The others see to it that there are entries.
    let seen = 0;
    for await (const _entry of call.chunks) if (++seen >= 20) break;
  } finally {
    leaving.abort();
    await call.output.catch(() => {});
  }
}

async function workflow({ site }: Round): Promise<void> {
  const file = join(site.b.options.folder, "workflow.yaml");
  writeFileSync(file, WORKFLOW);
  const { code, err } = await site.b.run("run", file);
  must(code === 0, `A workflow runs: ${err}`);
  await done(site.ways[1] as Way, "node.info", {});
  const listed = await site.b.run("trace", "list", "--json");
  must(listed.code === 0, `Traces are listed: ${listed.err}`);
}

/** Also takes away the guest's key, every other time. */
async function reload({ site, number }: Round): Promise<void> {
  site.configure({ isGuestKnown: number % 2 === 0 });
  await pause(700);
}

/** Everything open at once when the key is withdrawn. */
async function beGuest({ site }: Round): Promise<void> {
  await using caller = await site.a.caller(site.guest);
  const way = { caller, node: "local" };
  const leaving = new AbortController();
  const options = { signal: leaving.signal };
  const calls = [
    done(way, "exec.run", { command: "sleep 300" }, options),
    done(way, "exec.session", { command: "sleep 300", ephemeral: true }, options),
    done(way, "fs.watch", { path: site.folder("guest") }, options),
    done(way, "audit.follow", { capability: "nothing" }, options),
  ];
  const ends = Promise.allSettled(calls);
  await Promise.race([pause(1500), ends]);
  leaving.abort();
  const failed = (await ends).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}

async function beDenied({ site }: Round): Promise<void> {
  await using caller = await site.a.caller(site.stranger);
  const asked = Array.from({ length: 20 }, (_, index) => {
    const operation = ["fs.list", "exec.run", "audit.list", "service.connect"][index % 4] as string;
    const input = [{ path: "/" }, { command: "id" }, {}, { id: "echo" }][index % 4];
    return collect(caller, { node: "local", operation, input });
  });
  const results = await Promise.all(asked);
  must(
    results.every(({ error }) => error?.code === "policy.denied"),
    `Everything is denied to a stranger, not ${results.map(({ error }) => error?.code)}`,
  );
}

/** Connections opened, used and left, politely and not, over both sockets. */
async function comeAndGo({ site }: Round): Promise<void> {
  const [straight] = site.ways as readonly [Way];
  for (let index = 0; index < 5; index++) {
    await using caller = await site.a.caller();
    await done({ caller, node: "local" }, "node.info", {});
    // Left with a stream open.
    caller.call("local", "audit.follow", {}).output.catch(() => {});
    const peer = await RawPeer.connect(site.a.endpoint, site.b.key);
    peer.send(peer.sign({ operation: "fs.watch", input: { path: site.folder("left") } }));
    await peer.call({ operation: "node.info", input: {} });
    peer.socket.close();
  }
  await done(straight, "node.info", {});
}

/** Another node, that calls on and then ends or is killed, with a command of its under way. */
async function restart({ site, number }: Round): Promise<void> {
  await site.c.start();
  try {
    await using caller = await site.c.caller();
    await done({ caller, node: "a" }, "fs.list", { path: "/" });
    caller.call("a", "exec.run", { command: "sleep 300" }).output.catch(() => {});
    await pause(100);
  } finally {
    await (number % 2 === 0 ? site.c.kill() : site.c.stop());
  }
}
