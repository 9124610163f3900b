// Whether what was found answers where it says, with the key it says.
// It must never show who asks: every handshake is made with a key of its own that is thrown away.
// Next: wire/dial.ts shakes hands; discover.ts shows what came of it.

import type { Clock } from "../../clock.ts";
import type { FoundNode } from "../../contract/services.ts";
import { toOperonError } from "../../error.ts";
import { KeyPair } from "../../identity/key.ts";
import { dial } from "../../wire/dial.ts";
import type { HeardNode } from "./listen.ts";

/** Nodes asked at once, and how long all of it may take (ms). */
const AT_ONCE = 16;
const HEALTH_MS = 8_000;

/** What asking a node came to; its endpoint is the first that answered. */
export type Health = Partial<Pick<FoundNode, "health" | "endpoint">>;

/** Asks all of them; `undefined` ones are left out. */
export async function healthOf(
  nodes: readonly (HeardNode | undefined)[],
  options: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<readonly Health[]> {
  const late = new AbortController();
  using _timer = options.clock.after(HEALTH_MS, () => late.abort());
  const signal = AbortSignal.any([options.signal, late.signal]);
  const results: Health[] = nodes.map(() => ({}));
  const left = nodes.entries();
  const work = async () => {
    for (const [index, node] of left)
      if (node) results[index] = await healthOfNode(node, { clock: options.clock, signal });
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  options.signal.throwIfAborted();
  return results;
}

async function healthOfNode(
  { endpoints, key }: HeardNode,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<Health> {
  let health: FoundNode["health"] = "unreachable";
  for (const endpoint of endpoints) {
    try {
      const options = { endpoint, key: KeyPair.generate(), expected: key, clock, signal };
      await dial(options, (channel) => channel.close(""));
      return { health: "answers", endpoint };
    } catch (error) {
      if (toOperonError(error).code === "wire.peer_key_mismatch") health = "other_key";
    }
  }
  return { health };
}
