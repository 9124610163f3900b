// One request through a node: bind, authorize, run. Each stage takes only what the stage before it made, so a call
// that was not decided and audited cannot run: leaving a stage out is a compile error.
// It must never run a handler before its `decided` entry is where the effect demands it.
// Next: authority.ts decides, running.ts runs; node.ts feeds verified messages in.

import type { AuditReceipt } from "../audit/entry.ts";
import type { Principal } from "../contract/capability.ts";
import type { Access, Effect, ResourceContext } from "../contract/operation.ts";
import type { RegisteredOperation, Registry } from "../contract/registry.ts";
import type { Services } from "../contract/services.ts";
import type { Decision } from "../decision.ts";
import { OperonError, toOperonError } from "../error.ts";
import { nearestName } from "../policy/nearest_name.ts";
import type { VerifiedMessage } from "../wire/session_events.ts";

declare const bound: unique symbol;
declare const authorized: unique symbol;

/** A request from a known signer, with the relay it came through. */
export interface VerifiedRequest {
  readonly message: VerifiedMessage;
  readonly principal: Principal;
  readonly via: Principal | undefined;
  /** What the node knows of the connection it came over. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** A request tied to an operation, its parsed input and what it touches. */
export interface Bound {
  readonly [bound]: true;
  readonly request: VerifiedRequest;
  readonly registered: RegisteredOperation;
  readonly input: unknown;
  readonly accesses: readonly Access[];
  /** The mounts the accesses were named by: the call acts on these and no others. */
  readonly mounts: Services["mounts"];
  readonly effect: Effect;
  readonly facts: Readonly<Record<string, unknown>>;
  /** Why the facts could not be gathered; raised only after policy allowed the call, so that refusals reveal nothing. */
  readonly factsFailure: OperonError | undefined;
}

/** A bound request that policy allowed and the audit log holds. */
export interface Authorized {
  readonly [authorized]: true;
  readonly bound: Bound;
  readonly decision: Decision;
  /** Ties the audit's `finished` entry to its `decided` one. */
  readonly call: string;
  /** Resolves when the `decided` entry is durable. */
  readonly durable: Promise<AuditReceipt>;
  /** Where the `decided` entry stands, once it is durable. */
  readonly audited: { receipt: AuditReceipt | undefined };
  /** What its use counts under, when rules with a rate or a budget allowed it. */
  readonly usageKeys: readonly string[];
}

/**
 * Looks the operation up, parses the input and gathers facts.
 * @throws OperonError `node.operation_unknown`, `node.input_invalid`, or what resource() raises for a malformed name
 */
export async function bind(
  request: VerifiedRequest,
  node: {
    readonly registry: Registry;
    readonly context: ResourceContext;
    readonly services: Services;
  },
): Promise<Bound> {
  const { body } = request.message;
  const registered = node.registry.find(body.operation);
  if (!registered) throw operationUnknown(body.operation, node.registry);
  const input = parseInput(registered, body.input);
  const accesses = accessesOf(registered, input, node.context);
  const { mounts } = node.services;
  const { facts, factsFailure } = await gatherFacts(registered, input, node.services);
  return {
    request,
    registered,
    input,
    accesses,
    mounts,
    effect: registered.operation.effect,
    // The node's own come last: no capability overrules them.
    facts: { ...facts, ...request.facts },
    factsFailure,
  } as Bound;
}

/** What an operation touches with this input. */
export function accessesOf(
  registered: RegisteredOperation,
  input: unknown,
  context: ResourceContext,
): readonly Access[] {
  const resource = registered.operation.resource(input as never, context);
  return typeof resource === "string" ? [{ resource }] : resource;
}

/** Checks an input against its schema. @throws OperonError `node.input_invalid` naming the first field that is wrong */
export function parseInput(registered: RegisteredOperation, input: unknown): unknown {
  const result = registered.operation.input.safeParse(input ?? {});
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = issue?.path.join(".") ?? "";
  throw new OperonError({
    code: "node.input_invalid",
    kind: "invalid_argument",
    message: `The input of ${registered.id} is not valid${field === "" ? "" : ` at "${field}"`}: ${issue?.message ?? "unknown"}`,
    hint: `operon ${registered.id.replace(".", " ")} --help shows what it takes`,
    data: { field },
  });
}

/** Runs the capability's fact resolver; a failure is kept, not thrown. */
export async function gatherFacts(
  registered: RegisteredOperation,
  input: unknown,
  services: Services,
): Promise<Pick<Bound, "facts" | "factsFailure">> {
  const resolver = registered.capability.facts[registered.name];
  if (!resolver) return { facts: {}, factsFailure: undefined };
  try {
    return { facts: await resolver(input as never, services), factsFailure: undefined };
  } catch (error) {
    return { facts: {}, factsFailure: toOperonError(error) };
  }
}

/** Joins a bound request, its decision and its audit receipt. Called by authority.ts alone. */
export function authorizedCall(parts: Omit<Authorized, typeof authorized>): Authorized {
  return parts as Authorized;
}

function operationUnknown(id: string, registry: Registry): OperonError {
  const near = nearestName(id, registry.ids);
  return new OperonError({
    code: "node.operation_unknown",
    kind: "unimplemented",
    message: `This node has no operation "${id.slice(0, 80)}"`,
    hint: near
      ? `Did you mean ${near}? operon capability list NODE shows what it has`
      : "operon capability list NODE shows what it has",
  });
}
