// Handlers of `node`: each asks services.peers and shapes the answer.
// It must never keep a code, a proof or a key longer than the call.
// Next: capability.ts joins them; contract/services.ts says what Peers promises.

import type { Handlers } from "../../contract/capability.ts";
import type { NodeInfo, PeerInfo } from "../../contract/services.ts";
import type { operations } from "./schema.ts";

/** One handler per operation of {@link operations}. */
export const handlers: Handlers<typeof operations, "peers"> = {
  async list(_input, call) {
    return { nodes: call.services.peers.list().map(peerDocument) };
  },
  async resolve({ node }, call) {
    return peerDocument(call.services.peers.resolve(node));
  },
  async ping({ node, count }, call) {
    const answer = await call.services.peers.ping(node, count, call.signal);
    return { node, ...answer, ...statistics(answer.round_trips_us) };
  },
  async info(_input, call) {
    return infoDocument(call.services.peers.info());
  },
  async invite({ roles, expires_secs, name, endpoint }, call) {
    return await call.services.peers.invite({
      roles,
      expires_secs,
      ...(name === undefined ? {} : { name }),
      ...(endpoint === undefined ? {} : { endpoint }),
    });
  },
  async join({ code, name }, call) {
    const joined = await call.services.peers.join(code.trim(), {
      signal: call.signal,
      ...(name === undefined ? {} : { name }),
    });
    return { ...joined, roles: [...joined.roles] };
  },
  async redeem({ proof, name, endpoint }, call) {
    // The key comes from the signature over this call: what the caller says about itself is only a
    // wish for a name.
    const redeemed = await call.services.peers.redeem(proof, {
      key: call.principal.id,
      name,
      endpoint,
    });
    return { ...redeemed, roles: [...redeemed.roles] };
  },
  async discover({ timeout_secs, check_health }, call) {
    const { nodes, malformed, complete } = await call.services.peers.discover({
      duration_ms: timeout_secs * 1000,
      check_health,
      signal: call.signal,
    });
    return { nodes: [...nodes], malformed, complete };
  },
  async forget({ node }, call) {
    const came = await call.services.peers.forget(node);
    if (came !== "forgotten") throw call.fail(came, { node });
    return { node };
  },
};

function peerDocument(peer: PeerInfo) {
  return {
    name: peer.name,
    ...(peer.key === undefined ? {} : { key: peer.key }),
    ...(peer.endpoint === undefined ? {} : { endpoint: peer.endpoint }),
    labels: { ...peer.labels },
    state: peer.state,
  };
}

function infoDocument(info: NodeInfo) {
  const { endpoint, capabilities, ...rest } = info;
  return {
    ...rest,
    ...(endpoint === undefined ? {} : { endpoint }),
    capabilities: [...capabilities],
  };
}

/** Of whole microseconds; 0 for none. The 99th percentile is a time that was measured (nearest rank). */
function statistics(timesUs: readonly number[]) {
  const sorted = timesUs.toSorted((a, b) => a - b);
  const at = (rank: number) => Math.round(sorted[Math.min(sorted.length - 1, rank)] ?? 0);
  const middle = sorted.length >> 1;
  const median = ((sorted[middle] ?? 0) + (sorted[sorted.length - 1 - middle] ?? 0)) / 2;
  return {
    min_us: at(0),
    median_us: Math.round(median),
    p99_us: at(Math.ceil(sorted.length * 0.99) - 1),
    max_us: at(sorted.length - 1),
  };
}
