// Whose machine a connection comes from, as the local tailscaled tells it: a fact for rules, where there is a tailnet.
// It must never grant anything, wait long, or guess: what cannot be had exactly is unknown.
// Next: policy/tailnet_caveat.ts is the condition; node.ts adds the fact to each request of the connection.

import { statSync } from "node:fs";
import type { Clock } from "../clock.ts";
import type { RemoteEnd } from "../wire/listener.ts";

/** Time for an answer (ms), and its size (bytes): whoever listens on the socket cannot hold a call up or fill memory. */
const ANSWER_MS = 1_000;
const ANSWER_BYTES_MAX = 64 * 1024;
const TAGS_MAX = 64;
/** Where tailscaled listens when nothing else is configured. */
const SOCKET_PATH = "/var/run/tailscale/tailscaled.sock";
/** tailscaled answers to this name alone, so that no web page can ask it. */
const HOST = "local-tailscaled.sock";
const LOGIN = /^[\x21-\x7e]{1,320}$/;
const TAG = /^tag:[a-zA-Z][a-zA-Z0-9-]{0,62}$/;

/** A user's login name, or the tags of a machine that is nobody's. */
export type TailnetIdentity = string | readonly string[];

/** The facts of a connection. */
export type TailnetFacts = { readonly tailnet: TailnetIdentity } | Record<string, never>;

const NOTHING: TailnetFacts = {};

/** Identities of the connections that came in, each looked up once. */
export class Tailnet {
  readonly #clock: Clock;
  readonly #socketPath: () => string | undefined;
  readonly #facts = new WeakMap<object, TailnetFacts | Promise<TailnetFacts>>();

  /** @param socketPath the configured one; read anew for each connection */
  constructor(clock: Clock, socketPath: () => string | undefined) {
    this.#clock = clock;
    this.#socketPath = socketPath;
  }

  /** Starts to look up where a fresh session comes from. */
  admit(session: object, remote: RemoteEnd): void {
    const path = this.#socketPath() ?? SOCKET_PATH;
    if (!isSocketOfOurs(path)) return;
    const facts = whoIs(path, remote, this.#clock).then(
      (identity) => (identity === undefined ? NOTHING : { tailnet: identity }),
      () => NOTHING,
    );
    this.#facts.set(session, facts);
    void facts.then((known) => this.#facts.set(session, known));
  }

  /** What is known of a session's other end; none for sessions that were not admitted. */
  factsOf(session: object): TailnetFacts | Promise<TailnetFacts> {
    return this.#facts.get(session) ?? NOTHING;
  }
}

/** Only root or this user may say who somebody is. */
function isSocketOfOurs(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found?.isSocket() === true && (found.uid === 0 || found.uid === process.getuid?.());
}

/** Asks tailscaled's LocalAPI; rejects or gives `undefined` when it does not know. */
async function whoIs(
  path: string,
  { address, port }: RemoteEnd,
  clock: Clock,
): Promise<TailnetIdentity | undefined> {
  const late = new AbortController();
  using _timer = clock.after(ANSWER_MS, () => late.abort());
  const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
  const at = plain.includes(":") ? `[${plain}]:${port}` : `${plain}:${port}`;
  const response = await fetch(`http://${HOST}/localapi/v0/whois?addr=${encodeURIComponent(at)}`, {
    unix: path,
    redirect: "error",
    signal: late.signal,
  });
  if (!response.ok || !response.body) return undefined;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body) {
    length += chunk.byteLength;
    if (length > ANSWER_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  return identityIn(
    JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks))),
  );
}

/** Reads the answer to `whois`. A tagged machine is nobody's: its tags count, whatever user is named beside them. */
export function identityIn(answer: unknown): TailnetIdentity | undefined {
  const { Node, UserProfile } = (answer ?? {}) as {
    readonly Node?: { readonly Tags?: unknown } | null;
    readonly UserProfile?: { readonly LoginName?: unknown } | null;
  };
  // Without a node nobody is at this address.
  if (typeof Node !== "object" || Node === null) return undefined;
  const tags = Node.Tags ?? [];
  if (!Array.isArray(tags) || tags.length > TAGS_MAX) return undefined;
  if (!tags.every((tag) => typeof tag === "string" && TAG.test(tag))) return undefined;
  if (tags.length > 0) return tags as readonly string[];
  const login = UserProfile?.LoginName;
  return typeof login === "string" && LOGIN.test(login) ? login : undefined;
}
