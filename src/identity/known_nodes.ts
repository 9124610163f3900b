// Pinned keys of other nodes by name: what ssh calls known_hosts. One JSON file, 0600, replaced whole.
// It must never take another key for a known name: only `forget`, a person's act, makes room.
// Next: node/address_book.ts joins this with the configuration.

import { existsSync, statSync } from "node:fs";
import { OperonError } from "../error.ts";
import { lockFile } from "./file_lock.ts";
import { PublicKey } from "./key.ts";
import { parseName } from "./name.ts";
import { readPrivateFile, writePrivateFile } from "./private_file.ts";

/** A pinned node. */
export interface KnownNode {
  readonly name: string;
  /** `ed25519:<base32>` */
  readonly key: string;
  readonly endpoint?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

const FILE_BYTES_MAX = 4 * 1024 * 1024;

/** The pins of a home. Several processes may use the same file. */
export class KnownNodes {
  readonly #path: string;
  #nodes: readonly KnownNode[] = [];
  #stamp = "";

  /** A missing file is an empty list. @throws OperonError `identity.file_exposed`, `identity.known_nodes_invalid` */
  static open(path: string): KnownNodes {
    const known = new KnownNodes(path);
    known.#refresh();
    return known;
  }

  private constructor(path: string) {
    this.#path = path;
  }

  list(): readonly KnownNode[] {
    this.#refresh();
    return this.#nodes;
  }

  find(name: string): KnownNode | undefined {
    return this.list().find((node) => node.name === name);
  }

  findByKey(key: string): KnownNode | undefined {
    return this.list().find((node) => node.key === key);
  }

  /** Remembers a node, or its new endpoint. @throws OperonError `identity.key_changed`, `identity.key_invalid`, `identity.name_invalid` */
  pin(node: KnownNode): void {
    PublicKey.parse(node.key);
    parseName(node.name, "node");
    this.#change((nodes) => {
      const known = nodes.find((other) => other.name === node.name);
      if (known && known.key !== node.key) throw keyChanged(node.name, known.key, node.key);
      return [...nodes.filter((other) => other.name !== node.name), { ...known, ...node }];
    });
  }

  /** Forgets a node; returns whether it was known. */
  remove(name: string): boolean {
    const isKnown = this.find(name) !== undefined;
    if (isKnown) this.#change((nodes) => nodes.filter((node) => node.name !== name));
    return isKnown;
  }

  #change(edit: (nodes: readonly KnownNode[]) => readonly KnownNode[]): void {
    using _lock = lockFile(this.#path);
    this.#refresh();
    const nodes = edit(this.#nodes);
    writePrivateFile(
      this.#path,
      Buffer.from(`${JSON.stringify({ version: 1, nodes }, null, 2)}\n`),
    );
    this.#refresh();
  }

  #refresh(): void {
    // Asked on every call: for a file that is not there this costs a tenth of what a stat does.
    const stat = existsSync(this.#path)
      ? statSync(this.#path, { throwIfNoEntry: false })
      : undefined;
    if (!stat) {
      this.#nodes = [];
      this.#stamp = "";
      return;
    }
    const { mtimeMs, size, ino } = stat;
    const stamp = `${mtimeMs}.${size}.${ino}`;
    if (stamp === this.#stamp) return;
    this.#nodes = parse(this.#path, readPrivateFile(this.#path, { maxBytes: FILE_BYTES_MAX }));
    this.#stamp = stamp;
  }
}

function parse(path: string, bytes: Uint8Array): readonly KnownNode[] {
  try {
    const { version, nodes } = JSON.parse(Buffer.from(bytes).toString("utf8")) as {
      version: number;
      nodes: KnownNode[];
    };
    if (version !== 1 || !Array.isArray(nodes)) throw new Error("version");
    for (const node of nodes) PublicKey.parse(node.key);
    return nodes;
  } catch (cause) {
    throw new OperonError({
      code: "identity.known_nodes_invalid",
      kind: "data_loss",
      message: `${path} is damaged`,
      hint: "Restore it from a backup, or delete it and join the nodes again",
      cause,
    });
  }
}

function keyChanged(name: string, pinned: string, shown: string): OperonError {
  return new OperonError({
    code: "identity.key_changed",
    kind: "unauthenticated",
    message: `${name} showed another key than the one pinned for it: either it was set up anew, or something else answers at its address`,
    hint: `Compare with operon node info on that machine. If the new key is right: operon node forget ${name}, then join it again`,
    data: { pinned, shown },
  });
}
