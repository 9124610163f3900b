// fs.mkdir: makes a folder, and those above it when asked.
// It must never make a folder that policy would not let the caller make by itself.
// Next: write.ts makes parents of new files with it.

import { fstatSync, lstatSync, mkdirSync } from "node:fs";
import type { z } from "zod";
import type { Call } from "../../contract/capability.ts";
import type { AnyOperation } from "../../contract/operation.ts";
import { versionOf } from "./describe.ts";
import { attempt, type Failing } from "./failure.ts";
import type { operations } from "./schema.ts";

type Mkdir = typeof operations.mkdir;

/** Handler of `fs.mkdir`. */
export async function mkdir(
  { path, parents }: z.output<Mkdir["input"]>,
  call: Call<Mkdir, "mounts">,
): Promise<z.input<Mkdir["output"]>> {
  const created = parents ? makeFolders(path, call, "fs.mkdir") : makeFolder(path, call);
  if (!parents && !created) throw call.fail("exists", { path });
  using folder = call.services.mounts.folder(path);
  const stat = attempt(call, path, () => fstatSync(folder.fd, { bigint: true }));
  return { created, version: versionOf(stat) };
}

/** What making folders needs of a call. */
type Making = Pick<Call<AnyOperation, "mounts">, "services" | "authorize"> & Failing;

/** Makes a folder and what is missing above it; says whether the last one is new. */
export function makeFolders(path: string, call: Making, as: string): boolean {
  const { mounts } = call.services;
  const { mount, inner } = mounts.locate(path);
  let at = mount.at;
  let created = false;
  for (const name of inner === "" ? [] : inner.split("/")) {
    at = at === "/" ? `/${name}` : `${at}/${name}`;
    created = false;
    if (folderExists(at, call)) continue;
    if (!call.authorize({ resource: mounts.resourceOf(at), as })) {
      throw call.fail("entry_denied", { path: at });
    }
    created = makeFolder(at, call);
  }
  return created;
}

function folderExists(path: string, call: Making): boolean {
  using parent = call.services.mounts.parent(path, "look");
  const stat = attempt(call, path, () => lstatSync(parent.path, { throwIfNoEntry: false }));
  if (stat && !stat.isDirectory()) {
    throw call.fail(stat.isSymbolicLink() ? "symlink" : "not_a_folder", { path });
  }
  return stat !== undefined;
}

/** Makes one folder; false when there is one already. */
export function makeFolder(path: string, call: Making, mode = 0o777): boolean {
  using parent = call.services.mounts.parent(path, "change");
  if (parent.name === "") return false;
  return attempt(call, path, () => {
    try {
      mkdirSync(parent.path, { mode });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const stat = lstatSync(parent.path, { throwIfNoEntry: false });
      if (stat && !stat.isDirectory()) throw error;
      return false;
    }
  });
}
