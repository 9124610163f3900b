// Checks of every decision in a log that the principal it names signed the request it stands for.
// It must never count as proved what has no proof: such entries are counted apart.
// Next: wire/proof.ts checks one; verify.ts walks the log.

import { PublicKey } from "../identity/key.ts";
import { checkRequestProof, type ProofFailure } from "../wire/proof.ts";
import type { LinePlace } from "./chain_check.ts";
import type { AuditEntry, AuditProblem } from "./entry.ts";

const DECIDED = Buffer.from('"event":"decided"');

/** Takes the lines of a node's log. */
export class ProofCheck {
  readonly #addressee: string;
  readonly #report: (problem: AuditProblem) => void;
  #proved = 0;

  /** @param key the public key of the node whose log it is: what its callers signed for */
  constructor(key: Uint8Array, report: (problem: AuditProblem) => void) {
    this.#addressee = PublicKey.fromBytes(key).id;
    this.#report = report;
  }

  /** Decisions whose request is proved. */
  get proved(): number {
    return this.#proved;
  }

  /** Checks a line, should it be a decision. */
  accept(line: Uint8Array, place: LinePlace): void {
    if (!Buffer.from(line.buffer, line.byteOffset, line.byteLength).includes(DECIDED)) return;
    const entry = parse(line);
    if (entry?.event !== "decided") return;
    const failure = this.#check(entry);
    if (failure === undefined) {
      this.#proved++;
      return;
    }
    this.#report({
      kind: "unproved",
      sequence: entry.sequence,
      ...place,
      message: `Entry ${entry.sequence}: ${EXPLANATIONS[failure]}`,
    });
  }

  #check({ request, principal }: AuditEntry): ProofFailure | "missing" | undefined {
    if (!request || !principal) return "missing";
    return checkRequestProof(request, { signer: principal, addressee: this.#addressee });
  }
}

const EXPLANATIONS: Readonly<Record<ProofFailure | "missing", string>> = {
  missing: "no proof is kept that its principal asked",
  malformed: "what should prove that its principal asked is no proof",
  path: "the request is not among those that were signed",
  signature: "its principal did not sign this request for this node",
  request: "the request is another one",
};

function parse(line: Uint8Array): AuditEntry | undefined {
  try {
    return JSON.parse(Buffer.from(line).toString("utf8")) as AuditEntry;
  } catch {
    // The chain says so already.
    return undefined;
  }
}
