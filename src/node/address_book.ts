// Which name means which node: the configuration's nodes first, then the pinned ones.
// It must never change a pinned key by itself; that takes `node forget` and a person.
// Next: identity/known_nodes.ts keeps the pins; connector.ts dials what is found here.

import { OperonError } from "../error.ts";
import { PublicKey } from "../identity/key.ts";
import type { KnownNodes } from "../identity/known_nodes.ts";
import { suggest } from "../policy/nearest_name.ts";

/** A node as the configuration names it. */
export interface ConfiguredNode {
  readonly endpoint: string;
  readonly key?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** Pinned keys by name. */
export type KnownPins = Pick<KnownNodes, "list" | "find" | "pin" | "remove">;

/** What is known of a node by name. */
export interface Address {
  readonly name: string;
  readonly key: PublicKey | undefined;
  /** The key stands in the configuration, where only a person changes it. */
  readonly isKeyConfigured: boolean;
  readonly endpoint: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/** Names as the configuration gives them. */
export interface ConfiguredNames {
  readonly configured: Readonly<Record<string, ConfiguredNode>>;
  /** What this node calls itself. */
  readonly ownName: string;
}

/** The nodes known by name. */
export class AddressBook {
  readonly #known: KnownPins;
  #configured: Readonly<Record<string, ConfiguredNode>>;
  /** Keys by id as they stand in the configuration and in the pins: parsing one costs as much as a small call. */
  readonly #keys = new Map<string, PublicKey>();
  /** Names that mean the own node. */
  #ownNames: ReadonlySet<string>;

  constructor({ known, ...names }: ConfiguredNames & { readonly known: KnownPins }) {
    this.#known = known;
    this.#configured = names.configured;
    this.#ownNames = ownNames(names);
  }

  /** Takes over the names of a reloaded configuration. */
  reconfigure(names: ConfiguredNames): void {
    this.#configured = names.configured;
    this.#ownNames = ownNames(names);
    this.#keys.clear();
  }

  isOwn(name: string): boolean {
    return this.#ownNames.has(name);
  }

  /** All known nodes but the own one. */
  list(): readonly Address[] {
    const names = new Set([
      ...Object.keys(this.#configured),
      ...this.#known.list().map((node) => node.name),
    ]);
    return [...names]
      .filter((name) => !this.#ownNames.has(name))
      .map((name) => this.#address(name) as Address);
  }

  /** @throws OperonError `node.unknown` */
  find(name: string): Address {
    const address = this.#address(name);
    if (address) return address;
    // A node that dialled us may be called by its key, before anybody gave it a name.
    if (name.startsWith("ed25519:"))
      return {
        name,
        key: PublicKey.parse(name),
        isKeyConfigured: false,
        endpoint: undefined,
        labels: {},
      };
    throw new OperonError({
      code: "node.unknown",
      kind: "not_found",
      message: `No node called "${name.slice(0, 64)}" is known here`,
      hint: `${suggest(name, ["local", ...this.list().map((node) => node.name)])}; operon node join CODE makes one known`,
    });
  }

  /** Remembers the key a node showed on first use, or the one an invitation names. @throws OperonError `identity.key_changed` */
  pin(node: { name: string; key: PublicKey; endpoint: string | undefined }): void {
    const { name, key, endpoint } = node;
    this.#known.pin({ name, key: key.id, ...(endpoint === undefined ? {} : { endpoint }) });
  }

  /** Drops a pin, when there is one; a node that stands in the configuration stays known all the same. */
  forget(name: string): "forgotten" | "configured" | "unknown" {
    if (this.#known.remove(name)) return "forgotten";
    return Object.hasOwn(this.#configured, name) ? "configured" : "unknown";
  }

  #address(name: string): Address | undefined {
    const configured = Object.hasOwn(this.#configured, name) ? this.#configured[name] : undefined;
    const known = this.#known.find(name);
    if (!configured && !known) return undefined;
    const key = configured?.key ?? known?.key;
    return {
      name,
      key: key === undefined ? undefined : this.#key(key),
      isKeyConfigured: configured?.key !== undefined,
      endpoint: configured?.endpoint ?? known?.endpoint,
      labels: { ...known?.labels, ...configured?.labels },
    };
  }

  #key(id: string): PublicKey {
    const known = this.#keys.get(id);
    if (known) return known;
    const key = PublicKey.parse(id);
    this.#keys.set(id, key);
    return key;
  }
}

function ownNames({ ownName }: ConfiguredNames): ReadonlySet<string> {
  return new Set(["", "local", ownName]);
}
