// Attack 4: everything a key has open on a node, over the network and over the local socket, when its right is withdrawn.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  serveEcho,
  servicePolicy,
  type TestService,
} from "../src/capabilities/service/service.fixture.ts";
import type { Caller } from "../src/contract/caller.ts";
import { OperonError } from "../src/error.ts";
import { KeyPair } from "../src/identity/key.ts";
import { TestHome, TestNode, until } from "./harness/mesh.ts";
import { StartedProcess } from "./harness/started_process.ts";

/** Longest wait for calls to be under way on a busy machine (ms). */
const BEGIN_MS = 30_000;
/** A second is promised; a busy machine may take its time to look. */
const DEAD_MS = 5_000;

const guest = KeyPair.generate();
const allow = ["node.*", "exec.*", "fs.*", "audit.*", "service.*"];
let echo: TestService;
let udp: Socket;
let home: TestHome;
let a: TestNode;
let b: TestNode;

const policy = (isKnown: boolean) => (own: string) =>
  servicePolicy(
    [
      `{ id: echo, host: 127.0.0.1, port: ${echo.port} }`,
      `{ id: udp, host: 127.0.0.1, port: ${udp.address().port}, protocol: udp }`,
      "{ id: preview, published_by: [laptop, guest] }",
    ],
    {
      owner: { key: own, allow },
      ...(isKnown
        ? {
            laptop: { key: b.test.id, allow },
            guest: { key: guest.publicKey.id, allow },
          }
        : {}),
    },
  );

beforeAll(async () => {
  echo = await serveEcho();
  udp = createSocket("udp4").bind(0, "127.0.0.1");
  await once(udp, "listening");
  const near = new TestHome({ name: "b" });
  b = await TestNode.start(near);
  home = new TestHome({ name: "a", policy: policy(true) });
  a = await TestNode.start(home);
  const nodes = ` a: { endpoint: "${a.endpoint}", key: "${a.facts.key}" } `;
  near.configure({ ...near.options, nodes });
  await until(
    async () => (await b.call("local", "node.resolve", { node: "a" })).output !== undefined,
  );
});

afterAll(async () => {
  await b[Symbol.asyncDispose]();
  await a[Symbol.asyncDispose]();
  await echo[Symbol.asyncDispose]();
  udp.close();
});

test.each(["network", "local socket"])(
  "attack 4: all a key has open over the %s dies with its right",
  async (way) => {
    await until(async () => {
      home.configure({ ...home.options, policy: policy(true) });
      return (await b.call("a", "exec.sessions", {})).error === undefined;
    }, BEGIN_MS);
    await using own = way === "network" ? undefined : await a.caller(guest);
    const caller: Caller = own ?? (await b.caller());
    const node = own ? "local" : "a";
    const principal = own ? guest.publicKey.id : b.test.id;
    const codes = new Map<string, string>();
    const begin = (operation: string, input: object) => {
      const call = caller.call(node, operation, input, { outgoing: endless(operation) });
      call.output.then(
        () => codes.set(operation, "ended"),
        (error) => codes.set(operation, error instanceof OperonError ? error.code : String(error)),
      );
    };
    const pidIn = (name: string) => {
      try {
        return Number(readFileSync(join(home.workspace, name), "utf8"));
      } catch {
        return 0;
      }
    };
    const open = {
      "exec.run": { command: `echo $$ > ${node}.run; sleep 600` },
      "exec.session": {
        command: `echo $$ > ${node}.session; trap '' HUP TERM; sleep 600; sleep 600`,
      },
      "fs.watch": { path: "/" },
      "audit.follow": { capability: "nothing" },
      "service.connect": { id: "echo" },
      "service.datagrams": { id: "udp" },
      "service.publish": { id: "preview" },
    };
    for (const [operation, input] of Object.entries(open)) begin(operation, input);
    await until(() => pidIn(`${node}.run`) > 0 && pidIn(`${node}.session`) > 0, BEGIN_MS);
    await until(() => echo.sockets.size > 0, BEGIN_MS);
    await until(async () => {
      const { values } = await a.call("local", "audit.list", { principal, limit: 100 });
      const decided = new Set(values.map((entry) => (entry as { operation?: string }).operation));
      return Object.keys(open).every((operation) => decided.has(operation));
    }, BEGIN_MS);
    expect([...codes]).toEqual([]);
    const started = ["run", "session"].map((name) => new StartedProcess(pidIn(`${node}.${name}`)));
    expect(started.every(({ isAlive }) => isAlive)).toBeTrue();

    const startMs = performance.now();
    home.configure({ ...home.options, policy: policy(false) });
    await until(() => codes.size === Object.keys(open).length, BEGIN_MS);
    expect(performance.now() - startMs).toBeLessThan(DEAD_MS);
    for (const code of codes.values())
      expect(code).toBeOneOf(["policy.revoked", "wire.session_closed"]);
    await until(() => echo.sockets.size === 0, BEGIN_MS);
    await until(() => started.every(({ isAlive }) => !isAlive), BEGIN_MS);
  },
  120_000,
);

test.each(["while the node runs", "while it is stopped"])(
  "attack 4: jobs and terminals that nobody looks at end with the right of who started them, revoked %s",
  async (when) => {
    const owner = KeyPair.generate();
    const known = (isKnown: boolean) => (own: string) =>
      servicePolicy([], {
        owner: { key: own, allow },
        ...(isKnown ? { ann: { key: owner.publicKey.id, allow } } : {}),
      });
    using place = new TestHome({ name: "c", policy: known(true) });
    let node = await TestNode.start(place);
    const pidIn = (name: string) => {
      try {
        return Number(readFileSync(join(place.workspace, name), "utf8"));
      } catch {
        return 0;
      }
    };
    const deaf = (name: string) => `echo $$ > ${name}; trap '' HUP TERM; sleep 600; sleep 600`;
    const caller = await node.caller(owner);
    const start = (from: Caller, name: string) =>
      from.call("local", "exec.start", { command: deaf(name), timeout_secs: 300 }).output;
    await start(caller, "job");
    await start(await node.caller(), "own");
    const leaving = new AbortController();
    const session = caller.call(
      "local",
      "exec.session",
      { command: deaf("terminal") },
      { signal: leaving.signal, outgoing: endless("exec.run") },
    );
    session.output.catch(() => {});
    const all = ["job", "own", "terminal"];
    await until(() => all.every((name) => pidIn(name) > 0), BEGIN_MS);
    leaving.abort();
    await caller[Symbol.asyncDispose]();
    const [job, own, terminal] = all.map((name) => new StartedProcess(pidIn(name)));
    expect([job, own, terminal].map((one) => one?.isAlive)).toEqual([true, true, true]);

    if (when === "while it is stopped") await node.stop();
    place.configure({ ...place.options, policy: known(false) });
    if (when === "while it is stopped") node = await TestNode.start(place);
    await until(() => !job?.isAlive && !terminal?.isAlive, BEGIN_MS);
    expect(own?.isAlive).toBeTrue();
    const { output } = await node.call("local", "exec.list", {});
    const { jobs } = output as { jobs: { id: string; state: string }[] };
    expect(jobs.map(({ state }) => state)).toEqual(["running"]);
    await node.call("local", "exec.cancel", { id: jobs[0]?.id });
    await node.stop();
  },
  120_000,
);

/** What a caller goes on sending: bytes, or datagrams. */
async function* endless(operation: string): AsyncGenerator<unknown, undefined> {
  const data = new TextEncoder().encode("x");
  yield operation === "service.datagrams" ? { data } : data;
  await new Promise(() => {});
  return undefined;
}
