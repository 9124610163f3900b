// The SDK: nodes as typed objects, derived from the built-in capabilities' definitions. The same on Bun and Node.js.
// It must never know an operation by name: methods come from the definitions, and each call is a signed request.
// Next: connect() is where to begin; sdk/peer.ts makes the methods, sdk/typed_peer.ts their types.

import { connectToDaemon } from "./caller.ts";
import { systemClock } from "./clock.ts";
import type { Caller } from "./contract/caller.ts";
import type { CapabilityDescription } from "./contract/description.ts";
import { OperonError } from "./error.ts";
import { resolveHome } from "./identity/home.ts";
import { KeyPair } from "./identity/key.ts";
import { loadKey } from "./identity/keystore.ts";
import { loadManifest } from "./manifest.ts";
import { makePeer } from "./sdk/peer.ts";
import { ReconnectingCaller } from "./sdk/reconnecting_caller.ts";
import { RepeatingCaller } from "./sdk/repeating_caller.ts";
import type { OperationErrorCode, Peer } from "./sdk/typed_peer.ts";
import { escapeLines } from "./surface/cli/escape.ts";

export type { CallReceipt } from "./contract/caller.ts";
export type { ErrorDocument, ErrorKind } from "./error.ts";
export { OperonError } from "./error.ts";
export type { Command, CommandOptions, CommandResult, CommandTag } from "./sdk/command.ts";
export type { CommandWord } from "./sdk/command_words.ts";
export type { PeerCallOptions, Sendable, StreamingCall } from "./sdk/peer.ts";
export type { Capabilities, OperationErrorCode, Peer } from "./sdk/typed_peer.ts";

/** Set in the published package, which is no node itself. */
declare const OPERON_PACKAGE: true | undefined;

/** A connection to nodes. It reconnects by itself; dispose of it when done. */
export interface Operon extends AsyncDisposable {
  /** A node by name; `local` is the home's own one. Nothing is sent until an operation is called. */
  node(name: string): Peer;
}

/** A node to call without a home. */
export interface NodeAddress {
  /** `ws://host:port` or `wss://host:port` */
  readonly endpoint: string;
  /** Its key, `ed25519:…`, as `operon node info` shows it there; no other is accepted. */
  readonly key: string;
}

/** Where to connect from, and as whom. */
export interface ConnectOptions {
  /** Home folder; default `OPERON_HOME`, else `~/.operon`. */
  readonly home?: string | undefined;
  /** Configuration file; default `config.yaml` in the home. */
  readonly config?: string | undefined;
  /**
   * The key to sign with instead of the home's: path of a private key file (operon's, or an unencrypted Ed25519 one of
   * OpenSSH), or the 32 bytes of its seed.
   */
  readonly identity?: string | Uint8Array | undefined;
  /** Call these nodes and no others, as `identity`; no home is needed, nor looked at. */
  readonly nodes?: Readonly<Record<string, NodeAddress>> | undefined;
  /** Told what a person should know, such as a key that was pinned; default: standard error. */
  readonly notice?: ((text: string) => void) | undefined;
}

/**
 * Connects through the home's daemon when one runs, else directly to the nodes the home knows.
 * @throws OperonError `config.missing`, `identity.*`, `sdk.options_invalid`
 */
export async function connect(options: ConnectOptions = {}): Promise<Operon> {
  const manifest = await loadManifest();
  return operonOver(new RepeatingCaller(await open(options), { manifest }), manifest);
}

/** Whether what was thrown is an operon error with this code. */
export function isError<Code extends OperationErrorCode | (string & {})>(
  thrown: unknown,
  code: Code,
): thrown is OperonError & { readonly code: Code } {
  return thrown instanceof OperonError && thrown.code === code;
}

/**
 * The SDK over any caller.
 * @internal
 */
export function operonOver(caller: Caller, manifest: readonly CapabilityDescription[]): Operon {
  return {
    // The types come from the same definitions the manifest is made of.
    node: (name) => makePeer(name, { caller, manifest }) as Peer,
    [Symbol.asyncDispose]: () => caller[Symbol.asyncDispose](),
  };
}

async function open(options: ConnectOptions): Promise<Caller> {
  const identity = options.identity === undefined ? undefined : keyOf(options.identity);
  const notice =
    options.notice ?? ((text: string) => console.error(`operon: ${escapeLines(text)}`));
  if (options.nodes) return openNodes(options, { nodes: options.nodes, identity, notice });
  const home = resolveHome(
    options.home === undefined ? process.env : { ...process.env, OPERON_HOME: options.home },
  );
  const configPath = options.config ?? home.config_path;
  const callerOptions = { home, configPath, clock: systemClock, identity, notice };
  return ReconnectingCaller.open({
    clock: systemClock,
    connect: () => connectToDaemon(callerOptions),
    async withoutDaemon() {
      // A node needs Bun, and the executable's own files.
      if (typeof OPERON_PACKAGE === "undefined" && typeof Bun !== "undefined") {
        const { openOwnNode } = await import("./caller.ts");
        return openOwnNode(callerOptions);
      }
      const { openHomeNodes } = await import("./sdk/home_nodes.ts");
      return openHomeNodes(callerOptions);
    },
  });
}

async function openNodes(
  { home, config }: ConnectOptions,
  given: {
    readonly nodes: Readonly<Record<string, NodeAddress>>;
    readonly identity: KeyPair | undefined;
    readonly notice: (text: string) => void;
  },
): Promise<Caller> {
  const { nodes, identity, notice } = given;
  if (home !== undefined || config !== undefined)
    throw invalid(
      "`nodes` is for calls without a home",
      "Leave out `home` and `config`, or `nodes`",
    );
  if (!identity)
    throw invalid("`nodes` are given, but not as whom to call them", "Give `identity`, a key file");
  if (Object.hasOwn(nodes, "local"))
    throw invalid("`local` always means the home's own node", "Give the node another name");
  for (const [name, { key }] of Object.entries(nodes))
    if (key === undefined)
      throw invalid(`The node ${name} is given without its key`, "operon node info shows it there");
  const { RemoteCaller } = await import("./sdk/remote_caller.ts");
  return new RemoteCaller({ key: identity, nodes, ownName: "local", clock: systemClock, notice });
}

function keyOf(identity: string | Uint8Array): KeyPair {
  return typeof identity === "string" ? loadKey(identity) : KeyPair.fromSeed(identity);
}

function invalid(message: string, hint: string): OperonError {
  return new OperonError({ code: "sdk.options_invalid", kind: "invalid_argument", message, hint });
}
