// The other nodes: whether each answers, shows the pinned key, has a clock and a version that fit. All at once.
// It must never wait for one node before it asks the next.
// Next: doctor_verbs.ts says how a node is asked.

import { toOperonError } from "../error.ts";
import type { Finding } from "./finding.ts";

/** Difference between clocks that is worth a word, and one with which calls are refused (ms). */
const CLOCK_WARNING_MS = 5_000;
const CLOCK_PROBLEM_MS = 25_000;

/** What a node answers. */
export interface NodeAnswer {
  readonly version: string;
  readonly median_us: number;
  readonly clock_offset_ms: number;
}

/** How nodes are asked. */
export interface NodeCheckOptions {
  /** This program's version. */
  readonly version: string;
  /** Rejects with an OperonError. */
  readonly ask: (node: string) => Promise<NodeAnswer>;
}

/** One or more findings a node, in the order of the names; takes about as long as the slowest. */
export async function checkNodes(
  names: readonly string[],
  options: NodeCheckOptions,
): Promise<readonly Finding[]> {
  const found = await Promise.all(names.map((name) => checkNode(name, options)));
  return found.flat();
}

async function checkNode(node: string, { version, ask }: NodeCheckOptions): Promise<Finding[]> {
  const check = `node ${node}`;
  try {
    const answer = await ask(node);
    const found: Finding[] = [
      {
        check,
        node,
        status: "ok",
        what: `Answers in ${milliseconds(answer.median_us)}, version ${answer.version}`,
      },
    ];
    const offsetMs = Math.round(answer.clock_offset_ms);
    if (Math.abs(offsetMs) >= CLOCK_WARNING_MS) {
      found.push({
        check,
        node,
        status: Math.abs(offsetMs) >= CLOCK_PROBLEM_MS ? "problem" : "warning",
        what: `Its clock is ${Math.abs(offsetMs) / 1000} s ${offsetMs > 0 ? "ahead" : "behind"}`,
        fix: "Run a time service (NTP) on both machines: calls from more than 30 s away are refused",
      });
    }
    if (major(answer.version) !== major(version)) {
      found.push({
        check,
        node,
        status: "warning",
        what: `It runs ${answer.version}, this is ${version}`,
        fix: "Bring both to the same version",
      });
    }
    return found;
  } catch (thrown) {
    const error = toOperonError(thrown);
    const isRefusal = error.kind === "permission_denied";
    return [
      {
        check,
        node,
        status: isRefusal ? "note" : "problem",
        what: isRefusal ? `Answers, and refuses to be asked more: ${error.message}` : error.message,
        fix: error.hint ?? "Check that its daemon runs: operon daemon start on that machine",
      },
    ];
  }
}

function milliseconds(us: number): string {
  return `${(us / 1000).toFixed(us < 10_000 ? 1 : 0)} ms`;
}

/** Up to the first number that may break things: `1`, or `0.3` before 1.0. */
function major(version: string): string {
  const [first = "", second = ""] = version.split(".");
  return first === "0" ? `0.${second}` : first;
}
