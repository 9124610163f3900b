// fs.transfer: a copy between this node and another, made by this node for itself, so that the content goes straight.
// It must never use this node's key for anybody else: whoever asks must be the node itself.
// Next: contract/relay.ts makes the calls; tree_transfer.ts is what they do at either end.

import type { z } from "zod";
import { systemClock } from "../../clock.ts";
import type { Call } from "../../contract/capability.ts";
import { type RelayPlan, relay } from "../../contract/relay.ts";
import type { treeOperations } from "./tree_operations.ts";
import type { CopyReport } from "./tree_report.ts";

type Transfer = (typeof treeOperations)["transfer"];
type Input = z.output<Transfer["input"]>;

/** Progress is told this often (ms). */
const PROGRESS_MS = 200;

/** Handler of `fs.transfer`. */
export async function* transfer(
  input: Input,
  call: Call<Transfer, "mounts" | "outbound" | "peers">,
): AsyncGenerator<{ bytes: number }, CopyReport, undefined> {
  const { outbound, peers } = call.services;
  const caller = outbound.callerFor(call);
  if (!caller) throw call.fail("not_own");
  const isHere = (node: string) => peers.resolve(node).state === "self";
  const via = isHere(input.from_node) || isHere(input.to_node) ? "direct" : "caller";
  let bytes = 0;
  let isOver = false;
  const { trace_id, span_id } = call.trace;
  const copying = relay(caller, planOf(input), {
    signal: call.signal,
    ...(trace_id === "" ? {} : { trace: { trace_id, parent_span_id: span_id } }),
    onBytes: (more) => {
      bytes += more;
    },
  }).finally(() => {
    isOver = true;
  });
  copying.catch(() => {});
  while (!isOver) {
    const waiting = new AbortController();
    const pause = systemClock.sleep(PROGRESS_MS, waiting.signal).catch(() => {});
    await Promise.race([copying, pause]).finally(() => waiting.abort());
    if (bytes === 0) continue;
    yield { bytes };
    bytes = 0;
  }
  return { ...((await copying) as unknown as CopyReport), via };
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
