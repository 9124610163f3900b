// What the operations of `fs` that touch more than one thing ask policy for.
// It must never let an operation do what its parts may not: a move is a read, a removal and a write.
// Next: schema.ts uses these; tree.ts asks again for every entry of a folder.

import type { Access, ResourceContext } from "../../contract/operation.ts";

interface Pair {
  readonly path: string;
  readonly to: string;
}

interface Transfer extends Pair {
  readonly from_node: string;
  readonly to_node: string;
}

/** A transfer does here what its ends do; each end is decided again where it is. */
export function accessesOfTransfer(
  { path, to, from_node, to_node }: Transfer,
  { mounts, node_id }: ResourceContext,
): readonly Access[] {
  const isHere = (node: string) => node === "local" || node === node_id;
  const accesses: Access[] = [];
  if (isHere(from_node)) {
    const resource = mounts.resourceOf(path);
    accesses.push({ resource }, ...accessesOfTreeRead("fs.send_tree", true)(resource, "file"));
  }
  if (isHere(to_node)) {
    const resource = mounts.resourceOf(to);
    accesses.push({ resource }, ...accessesOfTreeWrite("fs.receive_tree")(resource, "file"));
  }
  return accesses.length > 0 ? accesses : [{ resource: `node:${from_node}` }];
}

/** A copy reads its source and writes its target. */
export function accessesOfCopy({ path, to }: Pair, { mounts }: ResourceContext): readonly Access[] {
  const [source, target] = [mounts.resourceOf(path), mounts.resourceOf(to)];
  return [
    { resource: target },
    { resource: source, as: "fs.read" },
    { resource: target, as: "fs.write" },
  ];
}

/** A move also removes its source. Reading is part of it: what was unreadable must not become readable elsewhere. */
export function accessesOfRename(
  { path, to }: Pair,
  { mounts }: ResourceContext,
): readonly Access[] {
  return accessesOfMove(mounts.resourceOf(path), mounts.resourceOf(to));
}

/** The accesses of a move from one resource to another. */
export function accessesOfMove(source: string, target: string): readonly Access[] {
  return [
    { resource: source },
    { resource: target },
    { resource: source, as: "fs.read" },
    { resource: source, as: "fs.rm" },
    { resource: target, as: "fs.write" },
  ];
}

/** What changes a file in place is a write. */
export function accessesOfChange(
  { path }: { readonly path: string },
  { mounts }: ResourceContext,
): readonly Access[] {
  const resource = mounts.resourceOf(path);
  return [{ resource }, { resource, as: "fs.write" }];
}

/** A digest tells what a file holds to whoever can guess it: it is a read. */
export function accessesOfHash(
  { path }: { readonly path: string },
  { mounts }: ResourceContext,
): readonly Access[] {
  const resource = mounts.resourceOf(path);
  return [{ resource }, { resource, as: "fs.read" }];
}

/** What reading a tree asks for: a folder is listed, a file or link read. Also asked of every entry. */
export function accessesOfTreeRead(operation: string, isRoot: boolean) {
  return (resource: string, kind: "folder" | "file"): readonly Access[] => [
    { resource, as: operation },
    ...(kind === "folder" || isRoot ? [{ resource, as: "fs.list" }] : []),
    ...(kind === "file" || isRoot ? [{ resource, as: "fs.read" }] : []),
  ];
}

/** What making a tree asks for: a folder is made, everything is written. Also asked of every entry. */
export function accessesOfTreeWrite(operation: string) {
  return (resource: string, kind: "folder" | "file"): readonly Access[] => [
    { resource, as: operation },
    { resource, as: "fs.write" },
    ...(kind === "folder" ? [{ resource, as: "fs.mkdir" }] : []),
  ];
}

/** A search lists folders. Also asked of every folder it enters. */
export function accessesOfListing(operation: string) {
  return (resource: string): readonly Access[] => [
    { resource, as: operation },
    { resource, as: "fs.list" },
  ];
}

/** A search of contents reads files. Also asked of every file. */
export function accessesOfReading(operation: string) {
  return (resource: string): readonly Access[] => [
    { resource, as: operation },
    { resource, as: "fs.read" },
  ];
}
