// Which nodes there are on the local network, compared with those this node knows. It finds; it never trusts.
// It must never make a node known, pin a key, or show this node's own key to what it found.
// Next: listen.ts hears, judge() compares, health.ts asks; peer_service.ts offers it.

import type { Clock } from "../../clock.ts";
import type { Discovery, FoundNode } from "../../contract/services.ts";
import { OperonError } from "../../error.ts";
import type { Address } from "../address_book.ts";
import { healthOf } from "./health.ts";
import { type HeardAll, type HeardNode, listenForNodes } from "./listen.ts";

/** Discoveries under way at once: each has sockets. */
const DISCOVERIES_MAX = 4;

/** What this node knows already. */
export interface Surroundings {
  readonly own: { readonly name: string; readonly key: string };
  readonly known: readonly Address[];
}

/** How to look. */
export interface DiscoverOptions {
  readonly clock: Clock;
  readonly durationMs: number;
  readonly checkHealth: boolean;
  readonly signal: AbortSignal;
}

/** Looks around. One for each node: it bounds how many look at once. */
export class Discoverer {
  #underWay = 0;

  /** @throws OperonError `node.discovery_busy`, `node.discovery_unavailable`; the signal's reason */
  async discover(around: Surroundings, options: DiscoverOptions): Promise<Discovery> {
    if (this.#underWay >= DISCOVERIES_MAX) throw busy();
    this.#underWay++;
    try {
      const heard = await listenForNodes(options);
      if (heard.addresses.length === 0) throw unavailable();
      return {
        nodes: await this.#found(heard, around, options),
        malformed: heard.malformed,
        complete: heard.isComplete,
      };
    } finally {
      this.#underWay--;
    }
  }

  async #found(
    { nodes }: HeardAll,
    around: Surroundings,
    options: DiscoverOptions,
  ): Promise<readonly FoundNode[]> {
    const judged = judge(nodes, around);
    if (!options.checkHealth) return judged;
    const checked = await healthOf(
      judged.map(({ state }, index) => (state === "self" ? undefined : nodes[index])),
      options,
    );
    return judged.map((node, index) => ({ ...node, ...checked[index] }));
  }
}

/** Compares what was heard with what is known, in the same order. A name with two keys is a conflict whoever was first. */
export function judge(heard: readonly HeardNode[], around: Surroundings): readonly FoundNode[] {
  return heard.map((node) => ({
    name: node.name,
    key: node.key.id,
    fingerprint: node.key.fingerprint,
    endpoint: node.endpoints[0] as string,
    ...standing(node, heard, around),
  }));
}

function standing(
  { name, key, endpoints }: HeardNode,
  heard: readonly HeardNode[],
  { own, known }: Surroundings,
): Pick<FoundNode, "state" | "note"> {
  if (key.id === own.key) return { state: "self", note: "This node itself" };
  if (name === own.name) return { state: "conflict", note: "This node itself has this name" };
  const named = known.find((address) => address.name === name);
  if (named?.key && !named.key.equals(key)) {
    return {
      state: "conflict",
      note: `Another key than the one known for ${name}, ${named.key.fingerprint}`,
    };
  }
  if (named?.key) {
    const isElsewhere = named.endpoint !== undefined && !endpoints.includes(named.endpoint);
    return { state: "known", note: isElsewhere ? `Known at ${named.endpoint}` : "" };
  }
  const rivals = heard.filter((other) => other.name === name).length - 1;
  if (rivals > 0) {
    return { state: "conflict", note: `${rivals + 1} keys are announced under this name` };
  }
  const alias = known.find((address) => address.key?.equals(key));
  if (alias) return { state: "known", note: `Known as ${alias.name}` };
  if (named) return { state: "new", note: "Known without a key: nobody compared this one yet" };
  return {
    state: "new",
    note: "Nobody vouches for its key: compare it there with operon node info",
  };
}

function busy(): OperonError {
  return new OperonError({
    code: "node.discovery_busy",
    kind: "resource_exhausted",
    message: `${DISCOVERIES_MAX} discoveries are under way on this node already`,
    hint: "Try again in a few seconds",
  });
}

function unavailable(): OperonError {
  return new OperonError({
    code: "node.discovery_unavailable",
    kind: "unavailable",
    message: "No network interface of this machine can be listened on for multicast DNS",
    hint: "See that UDP port 5353 may be shared; or name nodes by address: operon node join CODE",
  });
}
