// fs.transfer: a copy between this node and another, made by this node for itself, so that the content goes straight.
// It must never use this node's key for anybody else: whoever asks must be the node itself.
// Next: contract/relay.ts makes the calls; tree_transfer.ts is what they do at either end.

import type { z } from "zod";
import type { Caller } from "../../contract/caller.ts";
import type { Call } from "../../contract/capability.ts";
import {
  failureAt,
  outputOf,
  type RelayOptions,
  type RelayPlan,
  relay,
} from "../../contract/relay.ts";
import { OperonError } from "../../error.ts";
import { withProgress } from "./progress.ts";
import type { treeOperations } from "./tree_operations.ts";
import type { CopyReport } from "./tree_report.ts";

type Transfer = (typeof treeOperations)["transfer"];
type Input = z.output<Transfer["input"]>;
type TransferCall = Call<Transfer, "mounts" | "outbound" | "peers">;

/** Handler of `fs.transfer`. */
export async function* transfer(
  input: Input,
  call: TransferCall,
): AsyncGenerator<{ bytes: number }, CopyReport, undefined> {
  const { outbound, peers } = call.services;
  const caller = outbound.callerFor(call);
  if (!caller) throw call.fail("not_own");
  const isHere = (node: string) => peers.resolve(node).state === "self";
  const hasEndHere = isHere(input.from_node) || isHere(input.to_node);
  return yield* withProgress(async (onBytes) => {
    const options = { signal: call.signal, ...traceOf(call), onBytes };
    const fetched = hasEndHere ? undefined : await haveFetched(input, { call, caller, options });
    if (fetched) return fetched;
    const report = (await relay(caller, planOf(input), options)) as unknown as CopyReport;
    return { ...report, via: hasEndHere ? "direct" : "caller" };
  });
}

/** Has the target fetch it from the source. `undefined` when it cannot: the two need not know each other. */
async function haveFetched(
  input: Input,
  { call, caller, options }: { call: TransferCall; caller: Caller; options: RelayOptions },
): Promise<CopyReport | undefined> {
  const { reads, writes } = planOf(input);
  const { onBytes, ...callOptions } = options;
  const request = await call.services.outbound.sign(call, { ...reads, ...traceOf(call) });
  const fetching = caller.call(
    writes.node,
    "fs.fetch_tree",
    { ...writes.input, checksum: input.checksum, request },
    callOptions,
  );
  try {
    return (await outputOf(fetching, onBytes)) as unknown as CopyReport;
  } catch (error) {
    if (error instanceof OperonError && isNoWay(error)) return undefined;
    throw failureAt(writes.node, error);
  }
}

/** Also when policy refuses: the caller may be allowed each end, though not what another hands on. */
function isNoWay({ code, kind }: OperonError): boolean {
  return code === "node.unreachable" || kind === "unimplemented" || kind === "permission_denied";
}

function traceOf({ trace: { trace_id, span_id } }: TransferCall): Pick<RelayOptions, "trace"> {
  return trace_id === "" ? {} : { trace: { trace_id, parent_span_id: span_id } };
}

function planOf(input: Input): RelayPlan {
  const { path, to, from_node, to_node, recursive, skip_denied, checksum } = input;
  const { expected_version, require_absent } = input;
  return {
    reads: { node: from_node, operation: "fs.send_tree", input: { path, recursive, skip_denied } },
    writes: {
      node: to_node,
      operation: "fs.receive_tree",
      input: {
        path: to,
        skip_denied,
        require_absent,
        ...(expected_version === undefined ? {} : { expected_version }),
      },
    },
    surveys: { node: to_node, operation: "fs.survey_tree", input: { path: to, checksum } },
  };
}
