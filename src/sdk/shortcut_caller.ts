// Calls nodes over sessions of its own where it can reach them, else through the daemon: bulk that goes by two processes
// less costs half as much.
// It must never pin a key, nor call the home's own node any other way than the daemon's.
// Next: remote_caller.ts dials; reconnecting_caller.ts is the way through the daemon.

import type { Caller, CallOptions, OngoingCall } from "../contract/caller.ts";
import { pendingCall } from "../contract/pending_call.ts";
import { type HomeNodesOptions, openHomeNodes } from "./home_nodes.ts";
import type { RemoteCaller } from "./remote_caller.ts";

/** A caller that uses `daemon` for what it cannot reach itself, and disposes of it. Without a readable home it is `daemon`. */
export async function openShortcut(daemon: Caller, options: HomeNodesOptions): Promise<Caller> {
  try {
    return new ShortcutCaller(daemon, { direct: await openHomeNodes(options), options });
  } catch {
    // The daemon may have a configuration of its own, and says what is wrong.
    return daemon;
  }
}

class ShortcutCaller implements Caller {
  readonly #daemon: Caller;
  readonly #direct: RemoteCaller;
  readonly #options: HomeNodesOptions;

  constructor(
    daemon: Caller,
    { direct, options }: { readonly direct: RemoteCaller; readonly options: HomeNodesOptions },
  ) {
    this.#daemon = daemon;
    this.#direct = direct;
    this.#options = options;
  }

  call(node: string, operation: string, input: unknown, options: CallOptions = {}): OngoingCall {
    if (this.#direct.isOwn(node)) return this.#daemon.call(node, operation, input, options);
    const call = this.#direct
      .reach(node)
      .then((isReached) => (isReached ? this.#direct : this.#daemon))
      .then((caller) => caller.call(node, operation, input, options));
    return pendingCall(call, { ...options, clock: this.#options.clock });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#direct[Symbol.asyncDispose]();
    await this.#daemon[Symbol.asyncDispose]();
  }
}
