// Decides bound requests and writes the decision down before anything happens: the only door to an authorized call.
// It must never let a call through whose decision is not in the audit log as its effect demands, nor decide by
// anything but policy.
// Next: policy/decide.ts for the verdict, audit/log.ts for the entry, running.ts for what follows.

import type { AuditReceipt, AuditRecord } from "../audit/entry.ts";
import type { AuditLog } from "../audit/log.ts";
import type { Clock } from "../clock.ts";
import type { CallReceipt } from "../contract/caller.ts";
import type { Principal } from "../contract/capability.ts";
import type { Access } from "../contract/operation.ts";
import type { Decision } from "../decision.ts";
import { OperonError, toOperonError } from "../error.ts";
import type { CompiledPolicy } from "../policy/compiled_policy.ts";
import { type Evaluation, evaluate } from "../policy/decide.ts";
import type { UsageLedger } from "../policy/usage.ts";
import { type Authorized, authorizedCall, type Bound } from "./invoke.ts";
import { RefusalLimit } from "./refusal_limit.ts";

/** The part of an audit log that a node writes with. */
export type AuditWriter = Pick<
  AuditLog,
  "append" | "appendRelaxed" | "flush" | "close" | "failure" | "lastTimeMs"
>;

/** What deciding needs. */
export interface AuthorityOptions {
  /** The policy in force; read anew for every decision. */
  readonly policy: () => CompiledPolicy;
  readonly audit: AuditWriter;
  readonly usage: UsageLedger;
  readonly clock: Clock;
  /** Key id of this node. */
  readonly nodeKey: string;
  /** Whether an invitation is open, so that a key nobody knows may redeem it. */
  readonly isInviting: () => boolean;
}

/** A refusal with the receipt the caller gets. */
export class Refusal {
  readonly error: OperonError;
  readonly decision: Decision;
  readonly audit: AuditReceipt | undefined;

  constructor(error: OperonError, decision: Decision, audit: AuditReceipt | undefined) {
    this.error = error;
    this.decision = decision;
    this.audit = audit;
  }
}

/** Decides and records. Dispose of it before the audit log is closed. */
export class Authority implements Disposable {
  readonly #options: AuthorityOptions;
  readonly #refusals: RefusalLimit;
  #calls = 0;
  /** Makes call ids unique over restarts. */
  readonly #epoch = Buffer.from(crypto.getRandomValues(new Uint8Array(4))).toString("hex");

  constructor(options: AuthorityOptions) {
    this.#options = options;
    this.#refusals = new RefusalLimit({
      clock: options.clock,
      write: (record) => void options.audit.appendRelaxed(record).catch(() => {}),
    });
  }

  /**
   * Decides, writes the decision and, for every effect but `read`, waits until it is durable.
   * @throws Refusal with `policy.denied`, `policy.approval_required`; OperonError `audit.unavailable` (nothing happens then)
   */
  async authorize(bound: Bound): Promise<Authorized> {
    const { decision, usage_keys } = this.#evaluate(bound, bound.accesses, {});
    // In the same tick as the decision, so that two calls cannot both be the last one a rate allows.
    if (decision.verdict === "allow") this.#options.usage.record(usage_keys, { calls: 1 });
    const { failure } = this.#options.audit;
    if (failure && bound.registered.operation.audited === "always") throw failure;
    const call = this.#newCallId();
    const record = decidedRecord(bound, decision, call);
    if (decision.verdict !== "allow") {
      const written = this.#refusals.admit(bound.request.principal, record);
      const receipt = written && (await this.#options.audit.append(written));
      throw new Refusal(refusal(bound, decision), decision, receipt);
    }
    const durable =
      bound.effect === "read"
        ? this.#options.audit.appendRelaxed(record)
        : this.#options.audit.append(record);
    const audited: Authorized["audited"] = { receipt: undefined };
    // A read's entry may be awaited later, or never by a caller that left.
    durable.then(
      (receipt) => {
        audited.receipt = receipt;
      },
      () => {},
    );
    if (bound.effect !== "read") await durable;
    return authorizedCall({ bound, decision, call, durable, audited, usageKeys: usage_keys });
  }

  /** The verdict on other accesses of the same call: the entries of a folder that is removed, say. Writes nothing. */
  decide(bound: Decidable, accesses: readonly Access[] = bound.accesses): Decision {
    return this.#evaluate(bound, accesses, { ignoreUsage: true }).decision;
  }

  /**
   * Whether a call that is under way would still be allowed; its own past use does not count against it, nor that it
   * has used up the invitation it was let in by.
   */
  stillAllows({ bound, decision }: Pick<Authorized, "bound" | "decision">): boolean {
    return decision === INVITED.decision || this.decide(bound).verdict === "allow";
  }

  /**
   * Records how an authorized call ended; for every effect but `read` it waits until that is durable, so that what a
   * caller is told has happened can always be found. Never throws: returns why it could not be recorded.
   */
  async finished(
    authorized: Authorized,
    outcome: NonNullable<AuditRecord["outcome"]>,
  ): Promise<OperonError | undefined> {
    const { bound, call } = authorized;
    const record: AuditRecord = {
      event: "finished",
      call,
      operation: bound.registered.id,
      outcome,
    };
    if (authorized.usageKeys.length > 0) {
      const bytes = (outcome.bytes_in ?? 0) + (outcome.bytes_out ?? 0);
      const seconds = outcome.duration_ms / 1000;
      this.#options.usage.record(authorized.usageKeys, { bytes, seconds });
    }
    const { audit } = this.#options;
    if (bound.effect === "read") {
      audit.appendRelaxed(record).catch(() => {});
      return undefined;
    }
    return audit.append(record).then(() => undefined, toOperonError);
  }

  /** Records a request that never became a decision: malformed, or for an operation there is not. */
  rejected(principal: Principal, operation: string, error: OperonError): void {
    const record: AuditRecord = {
      event: "rejected",
      principal: principal.id,
      principal_name: principal.name,
      operation: operation.slice(0, 80),
      detail: error.code,
    };
    const written = this.#refusals.admit(principal, record);
    if (written) this.#options.audit.appendRelaxed(written).catch(() => {});
  }

  [Symbol.dispose](): void {
    this.#refusals[Symbol.dispose]();
  }

  /** The receipt of a decision. */
  receipt(decision: Decision, audit: AuditReceipt | undefined): Omit<CallReceipt, "node"> {
    return {
      decision: summary(decision),
      ...(audit ? { audit: { sequence: audit.sequence, hash: audit.hash } } : {}),
    };
  }

  #evaluate(
    bound: Decidable,
    accesses: readonly Access[],
    options: { ignoreUsage?: boolean },
  ): Evaluation {
    const { clock, usage } = this.#options;
    const { operation, id } = bound.registered;
    const evaluation = evaluate(this.#options.policy(), {
      principal_id: bound.request.principal.id,
      via_id: bound.request.via?.id,
      operation: id,
      effect: operation.effect,
      accesses,
      facts: bound.facts,
      now_ms: clock.nowMs(),
      usage: options.ignoreUsage ? NO_USAGE : usage.usage,
    });
    const isStranger = evaluation.decision.reason === "principal-unknown";
    if (isStranger && operation.open_to === "invited" && this.#options.isInviting()) return INVITED;
    return evaluation;
  }

  #newCallId(): string {
    this.#calls = (this.#calls + 1) >>> 0;
    return this.#epoch + this.#calls.toString(16).padStart(8, "0");
  }
}

/** What deciding needs to know of a call. */
export type Decidable = Pick<Bound, "registered" | "accesses" | "facts"> & {
  readonly request: Pick<Bound["request"], "principal" | "via">;
};

const INVITED: Evaluation = {
  usage_keys: [],
  decision: {
    verdict: "allow",
    reason: "invitation-open",
    explanation: "An invitation is open, and this operation checks the proof of whoever redeems it",
  },
};

const NO_USAGE = () => ({ calls: 0, bytes: 0, seconds: 0 });

function summary({
  verdict,
  reason,
  rule,
}: Decision): Pick<Decision, "verdict" | "reason" | "rule"> {
  return rule ? { verdict, reason, rule } : { verdict, reason };
}

function refusal(bound: Bound, decision: Decision): OperonError {
  const isAsk = decision.verdict === "ask";
  const who = bound.request.principal.name;
  const what = decision.resource
    ? `${bound.registered.id} on ${decision.resource}`
    : bound.registered.id;
  return new OperonError({
    code: isAsk ? "policy.approval_required" : "policy.denied",
    kind: "permission_denied",
    message: isAsk
      ? `${what} needs an approval before ${who} may do it: ${decision.explanation}`
      : `${who} may not ${what}: ${decision.explanation}`,
    hint: isAsk
      ? "Nobody can approve calls on this node yet; ask whoever keeps its policy for a rule that allows it"
      : "Whoever keeps the node's policy can allow it; operon policy explain shows which rules were looked at",
    data: {
      reason: decision.reason,
      operation: bound.registered.id,
      ...(decision.resource === undefined ? {} : { resource: decision.resource }),
      ...(decision.rule === undefined ? {} : { rule: decision.rule }),
    },
  });
}

function decidedRecord(bound: Bound, decision: Decision, call: string): AuditRecord {
  const { message, principal, via } = bound.request;
  const { trace } = message.body;
  const { batch, tree, index } = message.proof;
  return {
    event: "decided",
    call,
    principal: principal.id,
    principal_name: principal.name,
    ...(via ? { via: via.id } : {}),
    operation: bound.registered.id,
    resources: bound.accesses.map((access) => access.resource),
    ...(Object.keys(bound.facts).length > 0 ? { facts: bound.facts } : {}),
    decision: summary(decision),
    request: {
      digest: hex(tree.leaf(index)),
      batch: hex(batch.batch_id),
      time_ms: batch.time_ms,
      count: tree.count,
      index,
      root: hex(tree.root),
      path: tree.path(index).map(hex),
      signature: hex(batch.signature),
    },
    ...(trace ?? {}),
  } as AuditRecord;
}

function hex(bytes: Uint8Array): string {
  return bytes.toHex();
}
