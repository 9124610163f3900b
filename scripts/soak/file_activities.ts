// Files of a node, written, read, copied, searched and watched.
// It must never need more of the disk than a few files: every round removes what it made.
// Next: activity.ts repeats these.

import { createHash } from "node:crypto";
import { OperonError } from "../../src/error.ts";
import { must } from "../chaos/world.ts";
import { type Activity, done, type Round } from "./activity.ts";
import type { Way } from "./site.ts";

const FILE_BYTES_MAX = 2_000_000;
const FILES = 20;

/** Everything about files. */
export const fileActivities: readonly Activity[] = [
  { name: "fs write read", round: writeAndRead },
  { name: "fs copy", round: copyBetweenNodes },
  { name: "fs search", round: search },
  { name: "fs watch", round: watch },
];

async function writeAndRead({ site, random, number }: Round): Promise<void> {
  const way = random.pick(site.ways);
  const path = `${site.folder("written")}/${number % 2}`;
  const content = Buffer.alloc(random.between(0, FILE_BYTES_MAX), String(number));
  const { output } = await write(way, path, content);
  const { bytes } = await done(way, "fs.read", { path });
  must(sha256(bytes) === sha256(content), `${path} reads as it was written`);
  const other = "another-version";
  must(
    (await codeOf(write(way, path, content, { expected_version: other }))) !== undefined,
    "A write that expects another version is refused",
  );
  const { version } = output as { version: string };
  await done(way, "fs.truncate", { path, size_bytes: 10, expected_version: version });
  await done(way, "fs.rename", { path, to: `${path}.old` });
  await done(way, "fs.rm", { path: `${path}.old` });
}

async function copyBetweenNodes({ site, number }: Round): Promise<void> {
  const folder = site.folder("copied");
  const [straight] = site.ways as readonly [Way];
  for (let index = 0; index < FILES; index++)
    await write(straight, `${folder}/${index}`, Buffer.alloc(20_000, String(number)));
  const there = await site.b.run("fs", "copy", `a:${folder}`, "b:/there", "-r");
  must(there.code === 0, `A folder is copied to another node: ${there.err}`);
  const back = await site.b.run("fs", "copy", "b:/there", `a:${folder}/back`, "-r");
  must(back.code === 0, `A folder is copied back: ${back.err}`);
  await done(straight, "fs.copy", { path: `${folder}/back`, to: "/near", recursive: true });
  for (const path of [`${folder}/back`, "/near"])
    await done(straight, "fs.rm", { path, recursive: true });
  await site.b.run("fs", "rm", "b:/there", "-r");
}

async function search({ site, random }: Round): Promise<void> {
  const way = random.pick(site.ways);
  const path = site.folder("searched");
  for (let index = 0; index < 5; index++)
    await write(way, `${path}/${index}`, Buffer.from("a line\nanother needle line\n".repeat(500)));
  const listed = await done(way, "fs.list", { path, recursive: true });
  const found = await done(way, "fs.find", { path, name: "*" });
  const lines = await done(way, "fs.grep", { path, pattern: "need.e" });
  must(listed.values.length >= 5 && found.values.length >= 5, "All files are listed and found");
  must(lines.values.length >= 2500, "All lines are found");
}

async function watch({ site, random, number }: Round): Promise<void> {
  const way = random.pick(site.ways);
  const path = site.folder("watched");
  const leaving = new AbortController();
  const options = { signal: leaving.signal };
  const call = way.caller.call(way.node, "fs.watch", { path }, options);
  const file = `${path}/${number}`;
  let isSeen = false;
  // Written again until it is seen: when watching begins is the node's to say.
  const writing = (async () => {
    while (!isSeen) await write(way, file, Buffer.from(String(number)));
  })();
  try {
    for await (const _event of call.chunks) break;
  } finally {
    isSeen = true;
    leaving.abort();
    await call.output.catch(() => {});
    await writing;
  }
  await done(way, "fs.rm", { path: file });
}

/** A file's whole content. */
export function write(way: Way, path: string, content: Uint8Array, more: object = {}) {
  const outgoing = (async function* () {
    yield content;
    return undefined;
  })();
  return done(way, "fs.write", { path, ...more }, { outgoing });
}

async function codeOf(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (error instanceof OperonError) return error.code;
    throw error;
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
