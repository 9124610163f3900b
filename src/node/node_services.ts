// What a node lends its capabilities: each of them gets those it says it needs.
// It must never give one of them another's state, nor what the configuration said once: each asks for what is in force.
// Next: contract/services.ts says what each is for; running.ts hands them out.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { heldFor } from "../audit/kept_checkpoints.ts";
import { followAudit, queryAudit } from "../audit/read.ts";
import { verifyAudit } from "../audit/verify.ts";
import type { Clock } from "../clock.ts";
import type { NewPrincipal } from "../config/edit.ts";
import { secretSources } from "../config/load.ts";
import type { Caller } from "../contract/caller.ts";
import { describeOperation, type Registry } from "../contract/registry.ts";
import type { NodeInfo, Services } from "../contract/services.ts";
import type { Home } from "../identity/home.ts";
import type { KeyPair } from "../identity/key.ts";
import { Secrets } from "../secret/secrets.ts";
import { TraceStore } from "../trace/store.ts";
import type { AddressBook } from "./address_book.ts";
import type { Authority } from "./authority.ts";
import type { Connector } from "./connector.ts";
import type { Invites } from "./invites.ts";
import type { HostMounts } from "./mounts/host_mounts.ts";
import { NodeOutbound } from "./outbound.ts";
import { PeerService } from "./peer_service.ts";
import type { PolicyState } from "./policy_state.ts";
import { policyView } from "./policy_view.ts";

/** What they are made of. Functions give what is in force when they are called. */
export interface NodeServicesParts {
  readonly home: Home;
  readonly configPath: string;
  readonly key: KeyPair;
  readonly clock: Clock;
  readonly registry: Registry;
  /** The node itself, for calls by its own key. */
  readonly own: Caller;
  readonly connector: Connector;
  readonly addresses: AddressBook;
  readonly invites: Invites;
  readonly authority: Authority;
  readonly flushAudit: () => Promise<void>;
  readonly state: () => PolicyState;
  readonly mounts: () => HostMounts;
  readonly services: () => Services;
  readonly info: () => NodeInfo;
  readonly addPrincipal: (principal: NewPrincipal) => Promise<string>;
}

/** Makes them, once for a node's life. */
export function makeServices(parts: NodeServicesParts): Services {
  const { home, configPath, key, clock, registry, own, connector, addresses, state } = parts;
  const secrets = new Secrets(() => secretSources(state().loaded), process.env);
  return {
    // Mounts follow the configuration: each call sees those in force when it began.
    get mounts() {
      return parts.mounts();
    },
    settings: { of: (capability) => state().settings[capability] },
    state: {
      folder: (name) => privateFolder(join(home.state_path, name)),
      // Read when a command starts: where secrets are follows the configuration.
      get own_paths() {
        return [home.path, configPath, ...secrets.paths];
      },
    },
    secrets,
    registry: { describe: () => registry.operations.map(describeOperation) },
    traces: new TraceStore(home.traces_path),
    outbound: new NodeOutbound({ key, clock, connector, addresses, own }),
    audit: {
      query: (filter, signal) => queryAudit(home.audit_path, filter, signal),
      follow: (filter, signal) => followAudit(home.audit_path, filter, signal),
      verify: async (options) => {
        await parts.flushAudit();
        return verifyAudit(home.audit_path, { key: key.publicKey.bytes, ...options });
      },
      witness: (checkpoint) => heldFor(home.audit_path).keep(checkpoint.key, checkpoint),
    },
    policy: policyView({
      registry,
      policy: () => state().policy,
      authority: parts.authority,
      services: parts.services,
      nodeId: () => parts.info().node_id,
      mounts: parts.mounts,
    }),
    peers: new PeerService({
      key,
      clock,
      addresses,
      connector,
      invites: parts.invites,
      info: parts.info,
      roles: () => [...state().policy.roles.keys()],
      addPrincipal: parts.addPrincipal,
      call: (node, operation, input, signal) => own.call(node, operation, input, { signal }).output,
    }),
  };
}

function privateFolder(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}
