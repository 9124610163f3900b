// Published services: who may offer one, who may take up a connection, how both ends end.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { TestHome, TestNode, until } from "../../../test/harness/mesh.ts";
import type { Caller, OngoingCall } from "../../contract/caller.ts";
import type { KeyPair } from "../../identity/key.ts";
import { createKey } from "../../identity/keystore.ts";
import { servicePolicy, testBytes } from "./service.fixture.ts";

let home: TestHome;
let node: TestNode;
let owner: Caller;
const keys = new Map<string, KeyPair>();
const callers = new Map<string, Caller>();

const SERVICES = [
  "{ id: web, published_by: [alice, bob] }",
  "{ id: short, published_by: [alice], dial_timeout_secs: 0.05 }",
  "{ id: page, protocol: http, published_by: [alice], check_path: /health }",
  "{ id: slow, protocol: http, published_by: [alice], dial_timeout_secs: 0.3 }",
  "{ id: fixed, host: 127.0.0.1, port: 1 }",
];

beforeAll(async () => {
  home = new TestHome({ name: "here" });
  for (const name of ["alice", "bob", "carol"])
    keys.set(name, createKey(join(home.folder, `${name}.key`)));
  home.configure({ ...home.options, policy });
  node = await TestNode.start(home);
  owner = await node.caller();
  for (const [name, key] of keys) callers.set(name, await node.caller(key));
});

afterAll(async () => {
  for (const caller of callers.values()) await caller[Symbol.asyncDispose]();
  await node[Symbol.asyncDispose]();
});

function policy(own: string): string {
  const key = (name: string) => keys.get(name)?.publicKey.id as string;
  return servicePolicy(SERVICES, {
    owner: { key: own, allow: ["service.*", "node.resolve"] },
    alice: { key: key("alice"), allow: ["service.publish"] },
    bob: { key: key("bob"), allow: ["service.publish"] },
    carol: { key: key("carol"), allow: ["service.*"] },
  });
}

/** An offer of a principal's, and the connections it is told of. */
class Offering {
  readonly call: OngoingCall;
  readonly connections: string[] = [];
  isPublished = false;

  constructor(name: string, id = "web") {
    this.call = as(name).call("local", "service.publish", { id });
    this.#read().catch(() => {});
  }

  async published(): Promise<this> {
    await until(() => this.isPublished);
    return this;
  }

  /** The next connection. */
  async connection(): Promise<string> {
    await until(() => this.connections.length > 0);
    return this.connections.shift() as string;
  }

  end(): Promise<unknown> {
    this.call.cancel();
    return this.call.output.catch((error) => error);
  }

  async #read(): Promise<void> {
    for await (const chunk of this.call.chunks) {
      if (chunk.kind !== "value") continue;
      const { event, connection } = chunk.value as { event: string; connection?: string };
      if (event === "published") this.isPublished = true;
      if (connection !== undefined) this.connections.push(connection);
    }
  }
}

const as = (name: string) => callers.get(name) as Caller;
const failure = (call: OngoingCall) =>
  call.output.then(
    () => "none",
    (error) => error.code,
  );
const connect = (outgoing: AsyncIterable<Uint8Array>, id = "web") =>
  owner.call("local", "service.connect", { id }, { outgoing });

async function* all(...chunks: Uint8Array[]) {
  yield* chunks;
}

async function textOf(call: OngoingCall): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of call.chunks) if (chunk.kind === "bytes") parts.push(chunk.bytes);
  return Buffer.concat(parts).toString();
}

async function isFree(id = "web"): Promise<void> {
  await until(async () => {
    const output = await owner.call("local", "service.list", {}).output;
    const { services } = output as { services: { id: string; available: boolean }[] };
    return services.find((service) => service.id === id)?.available === false;
  });
}

describe("service.publish", () => {
  test("joins who connects with who takes the connection up, each direction on its own", async () => {
    const offering = await new Offering("alice").published();
    const connecting = connect(all(Buffer.from("question")));
    const connection = await offering.connection();
    const { promise: mayAnswer, resolve: answer } = Promise.withResolvers<void>();
    const accepting = as("alice").call(
      "local",
      "service.accept",
      { id: "web", connection },
      {
        outgoing: (async function* () {
          await mayAnswer;
          yield Buffer.from("answer");
        })(),
      },
    );
    // The question has ended before the answer begins.
    expect(await textOf(accepting)).toBe("question");
    answer();
    expect(await textOf(connecting)).toBe("answer");
    expect(await connecting.output).toEqual({ sent_bytes: 8, received_bytes: 6 });
    expect(await accepting.output).toEqual({ sent_bytes: 6, received_bytes: 8 });
    await offering.end();
    await isFree();
  });

  test("refuses those the service does not name, whatever their rules allow", async () => {
    expect(await failure(new Offering("carol").call)).toBe("service.not_publisher");
    expect(await failure(new Offering("carol", "fixed").call)).toBe("service.not_publisher");
    expect(await failure(new Offering("carol", "other").call)).toBe("service.unknown");
  });

  test("refuses a second publisher, and lets the same one begin anew", async () => {
    const first = await new Offering("alice").published();
    expect(await failure(new Offering("bob").call)).toBe("service.taken");
    const second = await new Offering("alice").published();
    expect(await failure(first.call)).toBe("service.replaced");
    const connecting = connect(all());
    expect(await second.connection()).toMatch(/^[0-9a-f]{32}$/);
    connecting.cancel();
    await second.end();
    await isFree();
  });

  test("tells who connects when nobody offers the service, takes it up, or wants it", async () => {
    expect(await failure(connect(all()))).toBe("service.not_published");
    const silent = await new Offering("alice", "short").published();
    expect(await failure(connect(all(), "short"))).toBe("service.unreachable");
    const refused = connect(all(), "short");
    await silent.connection();
    const connection = await silent.connection();
    await as("alice").call("local", "service.accept", { id: "short", connection, refused: true })
      .output;
    expect(await failure(refused)).toBe("service.unreachable");
    await silent.end();
  });

  test("attack 32: another principal's connection is not found, nor one that was taken up", async () => {
    const offering = await new Offering("alice").published();
    const connecting = connect(all(Buffer.from("secret")));
    const connection = await offering.connection();
    const accept = (name: string, id = "web") =>
      as(name).call("local", "service.accept", { id, connection });
    expect(await failure(accept("bob"))).toBe("service.unknown");
    expect(await failure(accept("carol"))).toBe("service.unknown");
    expect(await failure(accept("alice", "short"))).toBe("service.unknown");
    const taken = accept("alice");
    expect(await textOf(taken)).toBe("secret");
    expect(await failure(accept("alice"))).toBe("service.unknown");
    await connecting.output;
    await offering.end();
    await isFree();
  });

  test("cuts the other end off when one breaks: nothing passes for a whole stream", async () => {
    const offering = await new Offering("alice").published();
    const endless = async function* () {
      yield Buffer.from("x");
      await new Promise(() => {});
    };
    for (const side of ["connector", "acceptor"]) {
      const connecting = connect(endless());
      const input = { id: "web", connection: await offering.connection() };
      const accepting = as("alice").call("local", "service.accept", input, {
        outgoing: endless(),
      });
      const [broken, other] =
        side === "connector" ? [connecting, accepting] : [accepting, connecting];
      const chunks = other.chunks[Symbol.asyncIterator]();
      expect((await chunks.next()).done).toBeFalse();
      broken.cancel();
      await expect(chunks.next()).rejects.toMatchObject({ code: "service.broken" });
    }
    await offering.end();
    await isFree();
  });

  test("holds back whoever sends more than the other end takes", async () => {
    const offering = await new Offering("alice").published();
    let taken = 0;
    const connecting = connect(
      (async function* () {
        for (; taken < 200_000_000; taken += 1_000_000) yield testBytes(1_000_000);
      })(),
    );
    const connection = await offering.connection();
    const accepting = as("alice").call("local", "service.accept", { id: "web", connection });
    const chunks = accepting.chunks[Symbol.asyncIterator]();
    await chunks.next();
    // Another connection is not held back.
    const second = connect(all(Buffer.from("quick")));
    const input = { id: "web", connection: await offering.connection() };
    expect(await textOf(as("alice").call("local", "service.accept", input))).toBe("quick");
    await second.output;
    expect(taken).toBeLessThan(100_000_000);
    connecting.cancel();
    await offering.end();
    await isFree();
  });

  test("attack 4: an offer ends when the right to it is withdrawn", async () => {
    const offering = await new Offering("bob").published();
    const bob = keys.get("bob")?.publicKey.id as string;
    home.configure({
      ...home.options,
      policy: (own) => policy(own).replace(`    bob: { key: "${bob}", roles: [bob] }\n`, ""),
    });
    expect(await failure(offering.call)).toBeOneOf(["policy.revoked", "wire.session_closed"]);
    await isFree();
    home.configure({ ...home.options, policy });
  });
});

describe("service.check of a published service", () => {
  const check = (id = "web") => owner.call("local", "service.check", { id }).output;
  const accept = (
    id: string,
    connection: string,
    options: { refused?: boolean; outgoing?: AsyncIterable<Uint8Array> } = {},
  ) => {
    const { refused = false, outgoing = all() } = options;
    return as("alice").call("local", "service.accept", { id, connection, refused }, { outgoing });
  };

  test("says that nobody offers it", async () => {
    const found = { state: "down", detail: "Nobody offers it now", exit_code: 1 };
    expect(await check()).toMatchObject(found);
  });

  test("is down while what is behind the offer takes no connection", async () => {
    const offering = await new Offering("alice").published();
    const checking = check();
    await accept("web", await offering.connection(), { refused: true }).output;
    expect(await checking).toMatchObject({
      state: "down",
      detail: expect.stringContaining("behind the offer does not take a connection"),
      exit_code: 1,
    });
    await offering.end();
    await isFree();
  });

  test("is down when whoever offers it takes no connection in time", async () => {
    const offering = await new Offering("alice", "short").published();
    expect(await check("short")).toMatchObject({
      state: "down",
      detail: expect.stringContaining("within 0.05 s"),
    });
    await offering.end();
    await isFree("short");
  });

  test("is up when a connection is taken, which ends in order", async () => {
    const offering = await new Offering("alice").published();
    const checking = check();
    const silence = (async function* () {
      await new Promise(() => {});
    })();
    const accepting = accept("web", await offering.connection(), { outgoing: silence });
    expect(await checking).toMatchObject({ state: "up", exit_code: 0 });
    expect(await accepting.output).toMatchObject({ received_bytes: 0 });
    await offering.end();
    await isFree();
  });

  test.each([
    ["HTTP/1.1 200 OK\r\n\r\n", { state: "up", status: 200, exit_code: 0 }],
    ["HTTP/1.1 503 Busy\r\n\r\n", { state: "down", status: 503, exit_code: 1 }],
    ["SSH-2.0-OpenSSH\r\n", { state: "down", detail: "It does not answer as HTTP" }],
  ])("asks an http service for its check_path, and takes %j for %j", async (answer, found) => {
    const offering = await new Offering("alice", "page").published();
    const checking = check("page");
    const outgoing = all(Buffer.from(answer));
    const accepting = accept("page", await offering.connection(), { outgoing });
    expect(await textOf(accepting)).toStartWith("GET /health HTTP/1.1\r\n");
    expect(await checking).toMatchObject(found);
    await accepting.output;
    await offering.end();
    await isFree("page");
  });

  test("tells one that says nothing from one that is cut off", async () => {
    const offering = await new Offering("alice", "slow").published();
    const silent = check("slow");
    const silence = () =>
      (async function* () {
        await new Promise(() => {});
      })();
    const accepting = accept("slow", await offering.connection(), { outgoing: silence() });
    expect(await silent).toMatchObject({
      state: "down",
      detail: "It took the connection and did not answer within 0.3 s",
    });
    await accepting.output;
    const cut = check("slow");
    const leaving = accept("slow", await offering.connection(), { outgoing: silence() });
    await leaving.chunks[Symbol.asyncIterator]().next();
    leaving.cancel();
    leaving.output.catch(() => {});
    expect(await cut).toMatchObject({ state: "down", detail: "The connection was cut off" });
    await offering.end();
    await isFree("slow");
  });
});
