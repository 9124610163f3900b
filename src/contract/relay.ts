// One call between two nodes, made by the caller: what it reads from one it writes to the other, as it comes.
// It must never give either node more than the caller's own signed requests, nor hold more than the streams' windows.
// Next: operation.ts says which operations a relay is made of; surface/cli/relay.ts shows its progress.

import { fromErrorDocument, OperonError } from "../error.ts";
import type { Caller, CallOptions, OngoingCall } from "./caller.ts";
import type { OperationDescription } from "./description.ts";

/** One call of a relay. */
export interface RelayEnd {
  readonly node: string;
  readonly operation: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** The calls of a relay. */
export interface RelayPlan {
  readonly reads: RelayEnd;
  readonly writes: RelayEnd;
  readonly surveys: RelayEnd | undefined;
}

/** How a relay is made. */
export interface RelayOptions extends Omit<CallOptions, "outgoing"> {
  /** Told of every chunk (bytes) that goes from one node to the other. */
  readonly onBytes?: (bytes: number) => void;
}

/** What is relayed: an operation with two paths, its input, and the node each path is on. */
export interface Relayed {
  readonly operation: OperationDescription;
  readonly input: Readonly<Record<string, unknown>>;
  readonly from: string;
  readonly to: string;
}

/**
 * Splits the input of an operation over the calls it is made of: each gets its path and those fields it knows.
 * @throws OperonError `relay.unknown` when the operation has no relay, or names operations there are not
 */
export function planRelay(
  { operation, input, from, to }: Relayed,
  operations: readonly OperationDescription[],
): RelayPlan {
  const { relay, args } = operation.cli;
  const [source, target] = (args ?? []).filter(({ form }) => form === "node_path");
  if (!relay || !source || !target) throw unknown(operation.id);
  const { [source.field]: sourcePath, [target.field]: targetPath, ...rest } = input;
  const end = (node: string, id: string, path: unknown): RelayEnd => {
    const found = operations.find((other) => other.id === id);
    const field = found?.cli.args?.find(({ form }) => form === "node_path")?.field;
    if (!found || field === undefined) throw unknown(id);
    const known = (found.input.properties ?? {}) as Readonly<Record<string, unknown>>;
    const taken = Object.entries(rest).filter(([name]) => Object.hasOwn(known, name));
    return { node, operation: id, input: { ...Object.fromEntries(taken), [field]: path } };
  };
  return {
    reads: end(from, relay.reads, sourcePath),
    writes: end(to, relay.writes, targetPath),
    surveys: relay.surveys === undefined ? undefined : end(to, relay.surveys, targetPath),
  };
}

/**
 * Makes the calls and resolves to the writing end's output, with `via: "caller"`. When one end fails the other is
 * cancelled, and the error names the node it is from.
 */
export async function relay(
  caller: Caller,
  plan: RelayPlan,
  { onBytes, ...options }: RelayOptions = {},
): Promise<Readonly<Record<string, unknown>>> {
  const failures: unknown[] = [];
  const start = (end: RelayEnd, outgoing?: AsyncIterable<unknown>) =>
    caller.call(end.node, end.operation, end.input, {
      ...options,
      ...(outgoing ? { outgoing } : {}),
    });
  const surveying = plan.surveys && start(plan.surveys);
  const survey = surveying && noting(surveyBytes(surveying, plan.surveys.node), failures);
  const reading = start(plan.reads, survey);
  const content = bytesOf(reading, plan.reads.node, onBytes);
  const writing = start(plan.writes, noting(content, failures));
  try {
    const output = await writing.output.catch((error) => {
      throw failureAt(plan.writes.node, error);
    });
    return { ...(output as Readonly<Record<string, unknown>>), via: "caller" };
  } catch (error) {
    // The writing end only sees a stream that broke off; the first failure says why.
    throw failures[0] ?? error;
  } finally {
    for (const call of [surveying, reading, writing]) {
      call?.cancel();
      call?.output.catch(() => {});
    }
  }
}

/**
 * Has the caller's own node do it, so that the content does not come by here. `undefined` when the operation has no such
 * way, or the node does not do it for this caller: then relay.
 */
export async function relayDirectly(
  caller: Caller,
  { operation, input, from, to }: Relayed,
  { onBytes, ...options }: RelayOptions = {},
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const direct = operation.cli.relay?.direct;
  if (direct === undefined) return undefined;
  const call = caller.call("local", direct, { ...input, from_node: from, to_node: to }, options);
  try {
    return await outputOf(call, onBytes);
  } catch (error) {
    const { kind } = error as Partial<OperonError>;
    if (kind === "unimplemented" || kind === "permission_denied") return undefined;
    throw error;
  }
}

/** The output of a call that tells how far it has come by values `{bytes}`; when it is left early, it is cancelled. */
export async function outputOf(
  call: OngoingCall,
  onBytes?: (bytes: number) => void,
): Promise<Readonly<Record<string, unknown>>> {
  try {
    for await (const chunk of call.chunks) {
      if (chunk.kind === "value") onBytes?.((chunk.value as { readonly bytes: number }).bytes);
    }
    return (await call.output) as Readonly<Record<string, unknown>>;
  } finally {
    call.cancel();
    call.output.catch(() => {});
  }
}

async function* bytesOf(
  call: OngoingCall,
  node: string,
  onBytes?: (bytes: number) => void,
): AsyncGenerator<Uint8Array, undefined> {
  try {
    for await (const chunk of call.chunks) {
      if (chunk.kind !== "bytes") continue;
      yield chunk.bytes;
      onBytes?.(chunk.bytes.byteLength);
    }
    await call.output;
  } catch (error) {
    throw failureAt(node, error);
  }
  return undefined;
}

/** Who may write but not look is no worse off than before there were surveys. */
async function* surveyBytes(
  call: OngoingCall,
  node: string,
): AsyncGenerator<Uint8Array, undefined> {
  let isBegun = false;
  try {
    for await (const bytes of bytesOf(call, node)) {
      isBegun = true;
      yield bytes;
    }
  } catch (error) {
    const { kind } = error as OperonError;
    if (isBegun || (kind !== "permission_denied" && kind !== "unimplemented")) throw error;
  }
  return undefined;
}

async function* noting(
  items: AsyncIterable<Uint8Array>,
  failures: unknown[],
): AsyncGenerator<Uint8Array, undefined> {
  try {
    yield* items;
  } catch (error) {
    failures.push(error);
    throw error;
  }
  return undefined;
}

/** A failure of one end, named after the node it is from. */
export function failureAt(node: string, error: unknown): unknown {
  if (!(error instanceof OperonError)) return error;
  const again = "Run it again: it goes on where it stopped";
  return fromErrorDocument({
    ...error.toDocument(),
    message: `${node}: ${error.message}`,
    ...(error.kind === "unavailable" ? { hint: again } : {}),
  });
}

function unknown(id: string): OperonError {
  return new OperonError({
    code: "relay.unknown",
    kind: "unimplemented",
    message: `${id} cannot go from one node to another`,
    hint: "Give both paths on one node",
  });
}
