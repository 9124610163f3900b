// Gives this node's signed audit head to the nodes it is connected to, and hears what they held before.
// It must never believe a held head that this node's own key did not sign.
// Next: audit/kept_checkpoints.ts keeps both; `operon audit verify` compares the log with what others held.

import {
  type Checkpoint,
  checkpointOf,
  isSignedByItsKey,
  lastCheckpoint,
} from "../audit/checkpoint.ts";
import { heldByOthers } from "../audit/kept_checkpoints.ts";
import type { OperonError } from "../error.ts";
import type { PublicKey } from "../identity/key.ts";
import type { Node, NodeOptions } from "./node.ts";

/** A node that comes back learns soon what others held (ms); after that a head is worth a call now and then. */
const FIRST_MS = 2_000;
const INTERVAL_MS = 15 * 60 * 1000;
const ANSWER_MS = 10_000;

/** What it works with. */
export interface WitnessesOptions extends Pick<NodeOptions, "home" | "key" | "clock" | "notice"> {
  readonly node: Pick<Node, "addresses" | "connector" | "call" | "audit">;
}

/** The exchange of heads; dispose of it to end it. */
export class Witnesses implements Disposable {
  readonly #options: WitnessesOptions;
  readonly #ending = new AbortController();
  /** Keys of nodes that do not keep this one's heads: asking again would only fill their logs. */
  readonly #unwilling = new Set<string>();
  /** What has been told already, so that it is told once. */
  #toldSize = 0;

  constructor(options: WitnessesOptions) {
    this.#options = options;
    void this.#run();
  }

  [Symbol.dispose](): void {
    this.#ending.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    const { clock } = this.#options;
    for (let pauseMs = FIRST_MS; ; pauseMs = INTERVAL_MS) {
      await clock.sleep(pauseMs, signal).catch(() => {});
      if (signal.aborted) return;
      await this.#askAll();
    }
  }

  async #askAll(): Promise<void> {
    const { home, node } = this.#options;
    const checkpoint = lastCheckpoint(home.audit_path);
    if (!checkpoint) return;
    for (const { name, key } of node.addresses.list()) {
      if (!key || this.#unwilling.has(key.id) || !node.connector.usable(key.id)) continue;
      await this.#ask({ name, key }, checkpoint);
    }
  }

  async #ask(peer: { name: string; key: PublicKey }, checkpoint: Checkpoint): Promise<void> {
    const { node } = this.#options;
    const options = { signal: this.#ending.signal, timeout_ms: ANSWER_MS };
    try {
      const { output } = node.call(peer.name, "audit.witness", { checkpoint }, options);
      const { held } = (await output) as { readonly held?: unknown };
      const own = checkpointOf(held);
      if (own) this.#heard(peer, own, checkpoint);
    } catch (error) {
      const { kind } = error as Partial<OperonError>;
      if (kind === "permission_denied" || kind === "unimplemented")
        this.#unwilling.add(peer.key.id);
    }
  }

  #heard(peer: { name: string; key: PublicKey }, held: Checkpoint, newest: Checkpoint): void {
    const { home, key, node, notice } = this.#options;
    if (held.key !== key.publicKey.hex || !isSignedByItsKey(held)) return;
    heldByOthers(home.audit_path).keep(peer.key.hex, held);
    if (held.size <= newest.size || held.size <= this.#toldSize) return;
    this.#toldSize = held.size;
    const detail = `${peer.name} holds a checkpoint of ${held.size} entries, this log had ${newest.size}`;
    notice(
      `An older copy of this node's audit log was put back: ${detail}. operon audit verify says where it ends`,
    );
    void node.audit.appendRelaxed({ event: "rolled_back", detail });
  }
}
