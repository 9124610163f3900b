// An operation whose two paths are on different nodes: made of calls to both, with its progress on a terminal.
// It must never say more or less than one call would: same output, same views, same exit codes.
// Next: contract/relay.ts makes the calls; run_operation.ts decides when.

import type { Caller } from "../../contract/caller.ts";
import type { OperationDescription } from "../../contract/description.ts";
import { planRelay, type RelayOptions, relay } from "../../contract/relay.ts";
import type { Running } from "./context.ts";
import type { CallPlan } from "./input.ts";
import { showOutput } from "./show.ts";

/** Progress is shown this often (ms). */
const PROGRESS_MS = 200;

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
  const relayed = planRelay({ operation, input, from: node, to }, described);
  using progress = progressOn(running);
  const options: RelayOptions = {
    signal: context.signal,
    ...(globals.timeoutSecs === undefined ? {} : { timeout_ms: globals.timeoutSecs * 1000 }),
    ...(progress === undefined ? {} : { onBytes: progress.add }),
  };
  const output = await relay(caller, relayed, options);
  progress?.[Symbol.dispose]();
  await showOutput(output, operation, running);
  return output;
}

interface Progress extends Disposable {
  readonly add: (bytes: number) => void;
}

/** A line on standard error that is written over and goes when it is disposed of; nothing where nobody watches. */
function progressOn({ context, globals }: Running): Progress | undefined {
  const { stdio, clock } = context;
  if (!stdio.stderr.isTty || globals.quiet || globals.json) return undefined;
  const startMs = clock.monotonicMs();
  let shownMs = startMs;
  let total = 0;
  let isShown = false;
  const write = (text: string) => void stdio.stderr.write(text).catch(() => {});
  return {
    add(bytes) {
      total += bytes;
      const nowMs = clock.monotonicMs();
      if (nowMs - shownMs < PROGRESS_MS) return;
      shownMs = nowMs;
      isShown = true;
      const rate = total / ((nowMs - startMs) / 1000);
      write(`\r\x1b[K${sizeText(total)}, ${sizeText(rate)}/s`);
    },
    [Symbol.dispose]() {
      if (isShown) write("\r\x1b[K");
      isShown = false;
    },
  };
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** `12.3 MiB` */
export function sizeText(bytes: number): string {
  const step = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log2(bytes || 1) / 10)));
  const value = bytes / 1024 ** step;
  return `${step === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[step]}`;
}
