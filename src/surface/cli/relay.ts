// An operation whose two paths are on different nodes: made of calls to both, with its progress on a terminal.
// It must never say more or less than one call would: same output, same views, same exit codes.
// Next: contract/relay.ts makes the calls; run_operation.ts decides when.

import type { Caller } from "../../contract/caller.ts";
import type { OperationDescription } from "../../contract/description.ts";
import { planRelay, type RelayOptions, relay, relayDirectly } from "../../contract/relay.ts";
import type { Running } from "./context.ts";
import type { CallPlan } from "./input.ts";
import { openProgress } from "./progress.ts";
import { showOutput } from "./show.ts";

/** What is to be relayed. */
export interface RelayParts {
  readonly operation: OperationDescription;
  readonly plan: CallPlan;
  readonly to: string;
  readonly running: Running;
}

/** Makes the calls, shows the output and resolves to it. */
export async function runRelay(
  caller: Caller,
  { operation, plan, to, running }: RelayParts,
): Promise<unknown> {
  const { context, globals } = running;
  const described = (await context.describe()).flatMap(({ operations }) => operations);
  const { input, node } = plan;
  const relayed = { operation, input, from: node, to };
  using progress = openProgress(running, { node: to });
  const options: RelayOptions = {
    signal: context.signal,
    ...(globals.timeoutSecs === undefined ? {} : { timeout_ms: globals.timeoutSecs * 1000 }),
    onBytes: progress.add,
  };
  const output =
    (await relayDirectly(caller, relayed, options)) ??
    (await relay(caller, planRelay(relayed, described), options));
  await showOutput(output, operation, progress.running);
  return output;
}
