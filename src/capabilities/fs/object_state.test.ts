import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MountParent } from "../../contract/services.ts";
import { describe as describeState } from "./describe.ts";
import { stateOf } from "./object_state.ts";

const folder = mkdtempSync(join(tmpdir(), "operon-state-"));
const names = ["file", "empty", "folder", "link", "dangling", "large", "früh", "before 1970"];
let fd = -1;

beforeAll(() => {
  writeFileSync(join(folder, "file"), "content", { mode: 0o640 });
  for (const name of ["empty", "früh", "before 1970", "large"])
    writeFileSync(join(folder, name), "");
  truncateSync(join(folder, "large"), 5 * 1024 ** 3);
  utimesSync(join(folder, "before 1970"), -1.5, -1.5);
  mkdirSync(join(folder, "folder"), { mode: 0o750 });
  symlinkSync("file", join(folder, "link"));
  symlinkSync("nowhere", join(folder, "dangling"));
  fd = openSync(folder, "r");
});
afterAll(() => {
  closeSync(fd);
  rmSync(folder, { recursive: true, force: true });
});

function parentOf(name: string): MountParent {
  const path = join(folder, name);
  return { fd, name, path, virtual_path: `/${name}`, [Symbol.dispose]() {} };
}

test("stateOf() tells the same as lstat of every kind of object", () => {
  for (const name of names) {
    const expected = describeState(lstatSync(join(folder, name), { bigint: true }));
    expect(describeState(stateOf(parentOf(name)))).toEqual(expected);
  }
});

test("stateOf() tells of the folder itself when there is no name", () => {
  expect(stateOf(parentOf("")).isDirectory()).toBeTrue();
});

test("stateOf() fails as lstat does", () => {
  expect(() => stateOf(parentOf("missing"))).toThrow(expect.objectContaining({ code: "ENOENT" }));
  expect(() => stateOf(parentOf("x".repeat(300)))).toThrow(
    expect.objectContaining({ code: "ENAMETOOLONG" }),
  );
});
