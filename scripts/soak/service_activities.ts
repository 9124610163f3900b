// Services behind a node: many connections at once, datagrams, and a port that is published.
// It must never take a lost datagram for a fault: networks lose them.
// Next: activity.ts repeats these.

import { createSocket } from "node:dgram";
import { exchange, sha256, testBytes } from "../../src/capabilities/service/service.fixture.ts";
import { eventually, must, pause } from "../chaos/world.ts";
import { type Activity, done, type Round } from "./activity.ts";
import type { Forward, Site, Way } from "./site.ts";

const CONNECTIONS = 200;
const ANSWER_MS = 20_000;

/** Everything about services. */
export const serviceActivities: readonly Activity[] = [
  { name: "service forward", round: forward },
  { name: "service forward-udp", round: forwardUdp },
  { name: "service publish", round: publish },
];

async function forward({ site }: Round): Promise<void> {
  await using command = await site.forward(...listening("forward", "echo"));
  const sent = Array.from({ length: CONNECTIONS }, (_, index) => testBytes(20_000 + index, index));
  const got = await Promise.allSettled(sent.map((bytes) => exchange(command.port, bytes)));
  const isWhole = (index: number) => {
    const end = got[index] as PromiseSettledResult<Uint8Array>;
    return end.status === "fulfilled" && sha256(end.value) === sha256(sent[index] as Uint8Array);
  };
  const broken = sent.filter((_, index) => !isWhole(index)).length;
  must(broken === 0, `All connections carry their bytes, not ${broken} ${command.complaints()}`);
}

async function forwardUdp({ site }: Round): Promise<void> {
  await using command = await site.forward(...listening("forward-udp", "udp"));
  await Promise.all(Array.from({ length: 10 }, (_, index) => answered(command, 100 + index)));
}

async function answered({ port }: Forward, size: number): Promise<void> {
  let isAnswered = false;
  const socket = createSocket("udp4");
  socket.on("error", () => {});
  socket.on("message", (data) => {
    isAnswered ||= data.byteLength === size;
  });
  const ask = async () => {
    socket.send(testBytes(size), port, "127.0.0.1");
    await pause(20);
    return isAnswered;
  };
  try {
    await eventually(ask, { withinMs: ANSWER_MS, promise: () => "A datagram is answered" });
  } finally {
    socket.close();
  }
}

async function publish({ site }: Round): Promise<void> {
  const words = ["service", "publish", "a", "preview", "--to", String(site.echo.port)];
  await using _command = await site.forward(...words);
  const answers = await Promise.all(Array.from({ length: 20 }, () => connectPublished(site)));
  must(answers.every(Boolean), "Connections to a published port carry their bytes");
}

async function connectPublished(site: Site): Promise<boolean> {
  const [straight] = site.ways as readonly [Way];
  const sent = testBytes(10_000);
  const outgoing = (async function* () {
    yield sent;
    return undefined;
  })();
  const { bytes } = await done(straight, "service.connect", { id: "preview" }, { outgoing });
  return sha256(bytes) === sha256(sent);
}

function listening(word: string, service: string): string[] {
  return ["service", word, "a", service, "--listen", "127.0.0.1:0"];
}
