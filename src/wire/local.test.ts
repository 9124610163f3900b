import { afterEach, expect, spyOn, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OperonError } from "../error.ts";
import { RECORD_BYTES_MAX } from "../limits.ts";
import type { LocalChannel } from "./local.ts";
import { dialLocal } from "./local_dial.ts";
import { LocalListener } from "./local_listener.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

function socketPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "operon-local-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "daemon.sock");
}

/** Everything a channel reports, and a wait for it. */
class Log {
  readonly records: Uint8Array[] = [];
  closedWith: string | undefined;
  drains = 0;
  #wake: (() => void)[] = [];

  constructor(channel: LocalChannel) {
    channel.events = {
      record: (record) => this.#note(() => this.records.push(new Uint8Array(record))),
      drain: () => this.#note(() => this.drains++),
      closed: (reason) =>
        this.#note(() => {
          this.closedWith = reason;
        }),
    };
  }

  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  #note(change: () => void): void {
    change();
    for (const wake of this.#wake.splice(0)) wake();
  }
}

function listen(path: string): Promise<{ channel: LocalChannel; log: Log }> {
  return new Promise((resolve) => {
    const listener = new LocalListener(path, (channel) => {
      cleanups.push(() => channel.close(""));
      resolve({ channel, log: new Log(channel) });
    });
    cleanups.push(() => listener[Symbol.dispose]());
  });
}

async function pair() {
  const path = socketPath();
  const accepted = listen(path);
  const near = await dialLocal(path, (channel) => ({ channel, log: new Log(channel) }));
  cleanups.push(() => near.channel.close(""));
  return { near, far: await accepted };
}

/** A client that writes bytes as it likes. */
async function raw(path: string): Promise<Socket> {
  const socket = createConnection(path);
  cleanups.push(() => socket.destroy());
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

test("records arrive whole and in order, of any size, made of any parts", async () => {
  const { near, far } = await pair();
  near.channel.send([new Uint8Array([1]), new Uint8Array(0), new Uint8Array([2, 3])]);
  near.channel.send([new Uint8Array(RECORD_BYTES_MAX).fill(7)]);
  near.channel.send([new Uint8Array([9])]);
  await far.log.until(() => far.log.records.length === 3);
  expect(far.log.records.map((record) => record.byteLength)).toEqual([3, RECORD_BYTES_MAX, 1]);
  expect(far.log.records[0]).toEqual(new Uint8Array([1, 2, 3]));
  expect(far.log.records[1]?.every((byte) => byte === 7)).toBeTrue();
});

test("records are found in bytes that arrive one at a time and many at once", async () => {
  const path = socketPath();
  const accepted = listen(path);
  const client = await raw(path);
  const { log } = await accepted;
  const bytes = Buffer.from("00000003616263" + "00000000" + "0000000164", "hex");
  for (const byte of bytes) {
    client.write(Uint8Array.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  client.write(Buffer.concat([bytes, bytes]));
  await log.until(() => log.records.length === 9);
  expect(log.records.map((record) => Buffer.from(record).toString())).toEqual(
    Array(3).fill(["abc", "", "d"]).flat(),
  );
});

test("close() still delivers what was sent before, past what the kernel takes at once", async () => {
  const { near, far } = await pair();
  for (let index = 0; index < 8; index++)
    near.channel.send([new Uint8Array(RECORD_BYTES_MAX).fill(index)]);
  expect(near.channel.bufferedBytes).toBeGreaterThan(1024 * 1024);
  near.channel.close("");
  expect(near.log.closedWith).toBe("");
  near.channel.send([new Uint8Array([1])]);
  await far.log.until(() => far.log.closedWith !== undefined);
  expect(far.log.records.map((record) => record[0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test("close() gives up on a reader that does not read", async () => {
  const path = socketPath();
  const accepted = listen(path);
  const client = await raw(path);
  client.pause();
  const { channel } = await accepted;
  for (let index = 0; index < 8; index++) channel.send([new Uint8Array(RECORD_BYTES_MAX)]);
  const startMs = performance.now();
  channel.close("");
  const closed = new Promise((resolve) => client.once("close", resolve));
  // What the kernel holds is still readable, once the other end has given up.
  while (channel.bufferedBytes > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(performance.now() - startMs).toBeLessThan(5_000);
  client.resume();
  await closed;
});

test("the writer hears when there is room again", async () => {
  const { near, far } = await pair();
  for (let index = 0; index < 8; index++) near.channel.send([new Uint8Array(RECORD_BYTES_MAX)]);
  const before = near.log.drains;
  await far.log.until(() => far.log.records.length === 8);
  await near.log.until(() => near.log.drains > before);
  expect(near.channel.bufferedBytes).toBe(0);
});

test("a record longer than the limit ends the channel before it is read", async () => {
  const path = socketPath();
  const accepted = listen(path);
  const client = await raw(path);
  const { log } = await accepted;
  const header = Buffer.alloc(4);
  header.writeUInt32BE(RECORD_BYTES_MAX + 1);
  client.write(header);
  await log.until(() => log.closedWith !== undefined);
  expect(log.closedWith).toBe("wire.record_too_large");
});

test("an owner that throws ends the channel with the error's code, and sees nothing after", async () => {
  const { near, far } = await pair();
  let seen = 0;
  const closed = new Promise<string>((resolve) => {
    far.channel.events = {
      record: () => {
        seen++;
        throw new OperonError({ code: "wire.message_invalid", kind: "data_loss", message: "Bad" });
      },
      drain: () => {},
      closed: resolve,
    };
  });
  for (let index = 0; index < 3; index++) near.channel.send([new Uint8Array([index])]);
  expect(await closed).toBe("wire.message_invalid");
  await near.log.until(() => near.log.closedWith !== undefined);
  expect(seen).toBe(1);
});

test("closed is reported once, whoever closes and however often", async () => {
  const { near, far } = await pair();
  let count = 0;
  const { events } = near.channel;
  near.channel.events = {
    record: () => {},
    drain: () => {},
    closed: (reason) => {
      count++;
      events?.closed(reason);
    },
  };
  near.channel.close("a");
  near.channel.close("b");
  await far.log.until(() => far.log.closedWith !== undefined);
  far.channel.close("c");
  expect(count).toBe(1);
  expect(near.log.closedWith).toBe("a");
});

test("the socket is for its user only, replaces a stale one and goes with its listener", async () => {
  const path = socketPath();
  writeFileSync(path, "stale");
  const listener = new LocalListener(path, () => {});
  expect(statSync(path).mode & 0o777).toBe(0o600);
  listener[Symbol.dispose]();
  expect(existsSync(path)).toBeFalse();
});

test("attack 5: a process of another user is turned away, whatever the socket's mode", async () => {
  const path = socketPath();
  let accepted = 0;
  const listener = new LocalListener(path, () => accepted++);
  cleanups.push(() => listener[Symbol.dispose]());
  // As the listener sees it: this process is another user's.
  const own = spyOn(process, "getuid").mockReturnValue((process.getuid?.() ?? 0) + 1);
  cleanups.push(() => own.mockRestore());
  const client = await raw(path);
  await new Promise((resolve) => client.once("close", resolve));
  expect(accepted).toBe(0);
});

test("dialLocal() says that there is no daemon when nobody listens", async () => {
  const path = socketPath();
  expect(dialLocal(path, () => 1)).rejects.toMatchObject({ code: "wire.no_daemon" });
  const dead = createServer().listen(path);
  await new Promise((resolve) => dead.once("listening", resolve));
  await new Promise((resolve) => dead.close(resolve));
  expect(dialLocal(path, () => 1)).rejects.toMatchObject({ code: "wire.no_daemon" });
});

test("dialLocal() fails when its session cannot be made", async () => {
  const path = socketPath();
  const accepted = listen(path);
  const dialled = dialLocal(path, () => {
    throw new Error("no session");
  });
  expect(dialled).rejects.toThrow("no session");
  const { log } = await accepted;
  await log.until(() => log.closedWith !== undefined);
});

test("a path that is too long for a socket is explained", () => {
  const path = join(tmpdir(), "x".repeat(200));
  expect(() => new LocalListener(path, () => {})).toThrow(/Cannot listen on the local socket/);
});
