// Peers that stall, lie or flood, some of them with a key the node trusts, while others want to be served.
// It must never test what an honest peer does: every session here ends badly for its peer, and for nobody else.
// Next: wire/session.ts and wire/listener.ts keep the bounds; test/harness/raw_peer.ts can say anything.

import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { KeyPair } from "../../src/identity/key.ts";
import { encodeMessage, type Message } from "../../src/wire/message.ts";
import { freePort } from "../../test/harness/free_port.ts";
import { RawPeer, RawSocket } from "../../test/harness/raw_peer.ts";
import { Load } from "./load.ts";
import { NodeProcess } from "./node_process.ts";
import type { Random } from "./random.ts";
import { judge } from "./verdict.ts";
import { eventually, must, pause, type Scenario, type World } from "./world.ts";

const BACK_MS = 20_000;
const MIB = 1024 * 1024;
const BIG_MIB = 48;
/**
 * What a node may have kept of hostile peers a while after they left (bytes). What flew through it meanwhile takes the
 * allocator some time to give back.
 */
const GROWTH_BYTES_MAX = 512 * MIB;
const GIVE_BACK_MS = 30_000;
/** Longest an honest caller may wait while a peer is hostile (ms), on a busy machine. */
const SLOW_MS = 20_000;

/** Hostile peers against a node under load. */
export const hostileScenario: Scenario = {
  name: "hostile",
  summary: "peers stall, lie and flood, with and without a key the node knows",
  rounds: 24,
  run,
};

interface Stage {
  readonly a: NodeProcess;
  /** A friend of the node; its daemon never runs. */
  readonly friend: NodeProcess;
  readonly random: Random;
  /** How many sessions a flood comes over. */
  readonly sessions: number;
}

const ATTACKS: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  halfOpen,
  strangers,
  stall,
  liePlainly,
  lieSubtly,
  floodRequests,
  floodPings,
  breakOff,
};

async function run({ folder, executable, random, rounds, log }: World): Promise<string> {
  const make = (name: string) =>
    new NodeProcess({
      name,
      folder: join(folder, name),
      executable,
      listen: `127.0.0.1:${freePort()}`,
    });
  await using a = make("a");
  await using b = make("b");
  await using friend = make("friend");
  a.configure([b, friend]);
  b.configure([a]);
  friend.configure([a]);
  writeFileSync(join(a.workspace, "big.log"), Buffer.alloc(BIG_MIB * MIB, "x"));
  await Promise.all([a.start(), b.start()]);
  const baseline = a.descriptors();
  const load = new Load({ target: a, through: [a, b], random: random.fork("load") });
  load.foreign.add("big.log").add("lie.log");
  let before = 0;
  let most = 0;
  for (let round = 1; round <= rounds; round++) {
    const stop = load.start();
    await load.served(BACK_MS);
    before ||= a.residentBytes();
    load.slowestMs = 0;
    const names = Object.keys(ATTACKS);
    const name = rounds < names.length ? random.pick(names) : names[round % names.length];
    await ATTACKS[name as string]?.({
      a,
      friend,
      random,
      sessions: rounds > names.length ? 12 : 3,
    });
    await load.served(BACK_MS);
    must(
      load.slowestMs < SLOW_MS,
      `Others are served during ${name}, not after ${load.slowestMs} ms`,
    );
    await stop();
    const grown = () => a.residentBytes() - before;
    most = Math.max(most, grown());
    await eventually(() => grown() < GROWTH_BYTES_MAX, {
      withinMs: GIVE_BACK_MS,
      promise: () => `The node does not keep ${Math.round(grown() / MIB)} MiB after ${name}`,
    });
    await judge(a, { loads: [load], baseline });
    log(`round ${round}: ${name}; slowest ${Math.round(load.slowestMs)} ms; ${load.summary()}`);
  }
  return `${rounds} attacks, grew by ${Math.round(most / MIB)} MiB at most, ${load.summary()}`;
}

/** Connections that never become sessions, some silent, some talking nonsense. */
async function halfOpen({ a, random }: Stage): Promise<void> {
  const port = Number(new URL(a.endpoint).port);
  const sockets: Socket[] = [];
  for (let index = 0; index < 400; index++) {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("error", () => {});
    if (random.chance(0.5))
      socket.write(random.pick(["GET /operon", "\x16\x03\x01", "POST / HTTP/1.1\r\n"]));
    sockets.push(socket);
  }
  await pause(500);
  for (const socket of sockets) socket.destroy();
}

/** Keys nobody knows: a storm of handshakes, each with a question. */
async function strangers({ a }: Stage): Promise<void> {
  const one = async () => {
    const peer = await RawPeer.connect(a.endpoint, KeyPair.generate()).catch(() => undefined);
    if (!peer) return;
    const answer = await peer.call({ operation: "fs.list", input: { path: "/" } });
    must(answer?.ok !== true, "A stranger is served nothing");
    peer.socket.close();
  };
  for (let wave = 0; wave < 4; wave++) await Promise.all(Array.from({ length: 40 }, one));
}

/** A reader that stops in the middle of a large file, process and all. */
async function stall({ friend }: Stage): Promise<void> {
  const { executable, folder } = friend.options;
  const readers = Array.from({ length: 4 }, () =>
    Bun.spawn([executable, "fs", "read", "a:/big.log"], {
      env: { PATH: Bun.env.PATH ?? "", HOME: folder, OPERON_HOME: friend.home.path },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
    }),
  );
  await pause(300);
  for (const reader of readers) reader.kill("SIGSTOP");
  await pause(1_000);
  for (const reader of readers) reader.kill("SIGKILL");
  await Promise.all(readers.map((reader) => reader.exited));
}

/** Records that are well sealed and hold nonsense. */
async function liePlainly({ a, friend, random }: Stage): Promise<void> {
  for (let attempt = 0; attempt < 30; attempt++) {
    const peer = await RawPeer.connect(a.endpoint, friend.key);
    const size = random.between(0, 2_000);
    const record = Uint8Array.from({ length: size }, () => random.between(0, 255));
    peer.socket.send(random.chance(0.5) ? peer.sealer.seal([record]) : record);
    const reason = await peer.socket.closed();
    must(reason.startsWith("wire."), `Nonsense ends the session with a reason, not "${reason}"`);
  }
}

/** Good messages with some bits changed, in a record that opens. */
async function lieSubtly({ a, friend, random }: Stage): Promise<void> {
  for (let attempt = 0; attempt < 30; attempt++) {
    const peer = await RawPeer.connect(a.endpoint, friend.key);
    const bytes = Buffer.concat(encodeMessage(randomMessage(peer, random)));
    for (let flips = random.between(1, 3); flips > 0; flips--) {
      const at = random.between(4, bytes.length - 1);
      bytes[at] = (bytes[at] as number) ^ (1 << random.between(0, 7));
    }
    peer.socket.send(peer.sealer.seal([bytes]));
    // What is still valid is answered, or nothing: either way the next honest call works.
    await Promise.race([peer.next(), pause(20)]);
    peer.socket.close();
  }
}

function randomMessage(peer: RawPeer, random: Random): Message {
  const stream_id = random.pick([1, 2, 3, 2 ** 32 - 1]);
  const payload = new Uint8Array(random.between(0, 100));
  return random.pick<Message>([
    peer.sign({ operation: "fs.write", input: { path: "/lie.log" } }),
    { type: "chunk", stream_id, values: false, end: true, channel: 0, position: 0, payload },
    { type: "credit", stream_id, bytes: 2 ** 32 - 1 },
    { type: "cancel", stream_id, reason: 0 },
    { type: "hello", protocol: 1, time_ms: 0, software: "liar" },
    { type: "goaway", reason: 0, message: "bye" },
  ]);
}

/** As many calls as fit over many sessions, whose answers are not read. */
async function floodRequests({ a, friend, sessions }: Stage): Promise<void> {
  const seed = Buffer.from(friend.key.exportSeed()).toString("hex");
  const script = join(import.meta.dir, "flood.ts");
  const words = [a.endpoint, seed, "/big.log", String(sessions)];
  const flood = Bun.spawn([process.execPath, script, ...words]);
  await flood.exited;
}

/** Pings and cancels of calls just made, without a pause. */
async function floodPings({ a, friend }: Stage): Promise<void> {
  const peer = await RawPeer.connect(a.endpoint, friend.key);
  for (let wave = 0; wave < 200 && !peer.socket.isClosed; wave++) {
    peer.send(...Array.from({ length: 50 }, (): Message => ({ type: "ping", token: 1n })));
    const call = peer.sign({ operation: "exec.run", input: { argv: ["sleep", "60"] } });
    peer.send(call);
    peer.send({ type: "cancel", stream_id: call.requests[0]?.stream_id as number, reason: 0 });
    if (wave % 10 === 0) await pause(1);
  }
  peer.socket.close();
}

/** Uploads and commands whose caller vanishes in the middle. */
async function breakOff({ a, friend, random }: Stage): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const peer = await RawPeer.connect(a.endpoint, friend.key);
    const write = peer.sign({ operation: "fs.write", input: { path: `/half-${attempt}` } });
    const run = peer.sign({ operation: "exec.run", input: { argv: ["sleep", "60"] } });
    const payload = new Uint8Array(random.between(1, 60_000));
    const stream_id = write.requests[0]?.stream_id as number;
    peer.send(write, {
      type: "chunk",
      stream_id,
      values: false,
      end: false,
      channel: 0,
      position: 0,
      payload,
    });
    peer.send(run);
    await pause(random.between(0, 30));
    peer.socket.close();
  }
  const raw = await RawSocket.open(a.endpoint);
  raw.close();
}
