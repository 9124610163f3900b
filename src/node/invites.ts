// Invitations: one-time, expiring, and proved by the joiner without the secret crossing the wire.
// It must never accept a code twice, nor keep the secret itself.
// Next: services.ts makes and redeems them; the format of the code is in wire/PROTOCOL.md#joining.

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { existsSync } from "node:fs";
import type { Clock } from "../clock.ts";
import { OperonError } from "../error.ts";
import { PublicKey } from "../identity/key.ts";
import { readPrivateFile, writePrivateFile } from "../identity/private_file.ts";

const CODE_PREFIX = "operon1-";
const SECRET_BYTES = 16;
const INVITES_MAX = 100;

/** What a code says. */
export interface InviteCode {
  readonly endpoint: string;
  readonly key: PublicKey;
  readonly secret: Uint8Array;
}

/** An open invitation as it is kept: enough to check a proof, not to make a code. */
export interface Invite {
  readonly verifier: string;
  readonly roles: readonly string[];
  readonly expires_ms: number;
  readonly name?: string;
}

/** Text a person carries to the other machine. */
export function formatCode({ endpoint, key, secret }: InviteCode): string {
  const parts = [
    endpoint,
    Buffer.from(key.bytes).toString("base64url"),
    Buffer.from(secret).toString("base64url"),
  ];
  return CODE_PREFIX + Buffer.from(parts.join(" ")).toString("base64url");
}

/** @throws OperonError `node.code_invalid` */
export function parseCode(text: string): InviteCode {
  const trimmed = text.trim();
  try {
    if (!trimmed.startsWith(CODE_PREFIX) || trimmed.length > 1024) throw new Error("prefix");
    const [endpoint, key, secret, ...rest] = Buffer.from(
      trimmed.slice(CODE_PREFIX.length),
      "base64url",
    )
      .toString("utf8")
      .split(" ");
    const secretBytes = Buffer.from(secret ?? "", "base64url");
    if (!endpoint || !key || rest.length > 0 || secretBytes.byteLength !== SECRET_BYTES)
      throw new Error("parts");
    return {
      endpoint,
      key: PublicKey.fromBytes(Buffer.from(key, "base64url")),
      secret: secretBytes,
    };
  } catch (cause) {
    throw new OperonError({
      code: "node.code_invalid",
      kind: "invalid_argument",
      message: "This is not an invitation code",
      hint: `Copy the whole code that operon node invite printed; it starts with ${CODE_PREFIX}`,
      cause,
    });
  }
}

/** What the joiner sends: knowledge of the secret, bound to both keys. */
export function proofOf(secret: Uint8Array, inviter: PublicKey, joinerKeyId: string): string {
  return proofFrom(verifierOf(secret), inviter, joinerKeyId);
}

/** The open invitations of a home, in a private file so that daemon and CLI see the same. */
export class Invites {
  readonly #path: string;
  readonly #clock: Clock;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  /** Whether any invitation is open. */
  get isOpen(): boolean {
    return this.#load().length > 0;
  }

  /** Opens an invitation and returns its secret, which is kept nowhere. @throws OperonError `node.too_many_invites` */
  open(invite: Omit<Invite, "verifier">): Uint8Array {
    const invites = this.#load();
    if (invites.length >= INVITES_MAX) {
      throw new OperonError({
        code: "node.too_many_invites",
        kind: "resource_exhausted",
        message: `${INVITES_MAX} invitations are open already`,
        hint: "Wait until some expire",
      });
    }
    const secret = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
    this.#save([...invites, { ...invite, verifier: verifierOf(secret) }]);
    return secret;
  }

  /** Takes the invitation this proof belongs to; it is gone afterwards. @throws OperonError `node.invite_invalid` */
  take(proof: string, inviter: PublicKey, joinerKeyId: string): Invite {
    const invites = this.#load();
    const found = invites.find((invite) =>
      sameText(proofFrom(invite.verifier, inviter, joinerKeyId), proof),
    );
    if (!found) {
      throw new OperonError({
        code: "node.invite_invalid",
        kind: "permission_denied",
        message: "This invitation is not open: it was used, has expired or never was",
        hint: "Ask for a new code: operon node invite --role ROLE",
      });
    }
    this.#save(invites.filter((invite) => invite !== found));
    return found;
  }

  #load(): Invite[] {
    if (!existsSync(this.#path)) return [];
    const invites = JSON.parse(
      Buffer.from(readPrivateFile(this.#path, { maxBytes: 256 * 1024 })).toString("utf8"),
    ) as Invite[];
    return invites.filter((invite) => invite.expires_ms > this.#clock.nowMs());
  }

  #save(invites: readonly Invite[]): void {
    writePrivateFile(this.#path, Buffer.from(`${JSON.stringify(invites)}\n`));
  }
}

function verifierOf(secret: Uint8Array): string {
  return createHash("sha256").update("operon/1 invite\0").update(secret).digest("hex");
}

function proofFrom(verifier: string, inviter: PublicKey, joinerKeyId: string): string {
  return createHmac("sha256", Buffer.from(verifier, "hex"))
    .update(`operon/1 join\0${inviter.id}\0${joinerKeyId}`)
    .digest("hex");
}

function sameText(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.byteLength === other.byteLength && timingSafeEqual(one, other);
}
