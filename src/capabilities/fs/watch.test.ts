import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Access } from "../../contract/operation.ts";
import { type CallParts, descriptorsBelow, FsBench, workspace } from "./fs_call.fixture.ts";

let bench: FsBench;

beforeEach(() => {
  bench = new FsBench(workspace);
  mkdirSync(at("folder/deep"), { recursive: true });
  mkdirSync(at("secrets"));
  mkdirSync(join(bench.host, "outside"));
});

afterEach(() => {
  expect(descriptorsBelow(bench.host)).toBe(0);
  bench[Symbol.dispose]();
});

const at = (path: string) => join(bench.host, "ws", path);

/** A watch that is ready: `until` reads events up to the one about a path. */
async function watching(input: object, parts: CallParts = {}) {
  const abort = new AbortController();
  const events = bench.watch({ path: "/", ...input }, { ...parts, signal: abort.signal });
  const { value } = await events.next();
  expect(value).toMatchObject({ event: "ready" });
  return {
    events,
    async until(path: string) {
      const seen: string[] = [];
      for (;;) {
        const next = await events.next();
        if (next.done) throw new Error("The watch ended");
        seen.push(`${next.value.event} ${next.value.path}`);
        if (next.value.path === path) return seen;
      }
    },
    async [Symbol.asyncDispose]() {
      abort.abort(new Error("over"));
      await events.next().catch(() => {});
    },
  };
}

describe("watch", () => {
  test("tells of files that are made, changed and removed", async () => {
    await using watch = await watching({});
    writeFileSync(at("a"), "a");
    expect(await watch.until("/a")).toEqual(["created /a"]);
    expect(await watch.until("/a")).toEqual(["changed /a"]);
    rmSync(at("a"));
    expect(await watch.until("/a")).toEqual(["removed /a"]);
    renameSync(at("secrets"), at("moved"));
    expect(await watch.until("/moved")).toEqual(["removed /secrets", "created /moved"]);
  });

  test("says nothing of folders below unless it is asked", async () => {
    await using watch = await watching({});
    writeFileSync(at("folder/deep/x"), "x");
    writeFileSync(at("end"), "");
    expect(await watch.until("/end")).toEqual(["created /end"]);
  });

  test("watches folders below, new ones and what they hold, and moved ones by their new names", async () => {
    await using watch = await watching({ recursive: true });
    writeFileSync(at("folder/deep/x"), "x");
    expect(await watch.until("/folder/deep/x")).toEqual(["created /folder/deep/x"]);
    mkdirSync(at("new/inner"), { recursive: true });
    writeFileSync(at("new/inner/y"), "y");
    expect(await watch.until("/new/inner/y")).toContain("created /new/inner");
    renameSync(at("folder"), at("renamed"));
    await watch.until("/renamed/deep/x");
    writeFileSync(at("renamed/deep/z"), "z");
    expect(await watch.until("/renamed/deep/z")).toContain("created /renamed/deep/z");
  });

  test("says nothing of what the caller may not list", async () => {
    const authorize = ({ resource, as }: Access) =>
      !(as === "fs.list" && /^fs:workspace\/(secrets|hidden)(\/|$)/.test(resource));
    await using watch = await watching({ recursive: true }, { authorize });
    writeFileSync(at("secrets/key"), "key");
    writeFileSync(at("hidden"), "x");
    mkdirSync(at("secrets/inner"));
    writeFileSync(at("end"), "");
    expect(await watch.until("/end")).toEqual(["created /end"]);
  });

  test("ends when the folder itself is removed or moved", async () => {
    const gone = { done: true, value: { reason: "gone" } };
    const removed = await watching({ path: "/secrets" });
    rmSync(at("secrets"), { recursive: true });
    expect((await removed.events.next()) as unknown).toEqual(gone);
    const moved = await watching({ path: "/folder" });
    renameSync(at("folder"), at("elsewhere"));
    expect((await moved.events.next()) as unknown).toEqual(gone);
  });

  test("ends when its caller leaves, and leaves no queue open", async () => {
    const queues = () =>
      readdirSync("/proc/self/fd").filter((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`).includes("inotify");
        } catch {
          return false;
        }
      }).length;
    const before = queues();
    for (let i = 0; i < 3; i++) {
      await using watch = await watching({ recursive: true });
      writeFileSync(at(`f${i}`), "");
      await watch.until(`/f${i}`);
      expect(queues()).toBeGreaterThan(0);
    }
    // An earlier test's queue may have counted as there before, and be gone meanwhile.
    const untilMs = Date.now() + 10_000;
    while (queues() > before && Date.now() < untilMs) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(queues()).toBeLessThanOrEqual(before);
  });

  test("attack 14: a link is neither watched through nor entered", async () => {
    symlinkSync("../outside", at("link"));
    expect(await bench.failure("watch", { path: "/link" })).toBe("fs.escape");
    await using watch = await watching({ recursive: true });
    writeFileSync(join(bench.host, "outside/o"), "o");
    writeFileSync(at("end"), "");
    expect(await watch.until("/end")).toEqual(["created /end"]);
  });

  test("refuses files and missing folders", async () => {
    writeFileSync(at("a"), "a");
    expect(await bench.failure("watch", { path: "/a" })).toBe("fs.not_a_folder");
    expect(await bench.failure("watch", { path: "/nope" })).toBe("fs.missing");
  });
});
