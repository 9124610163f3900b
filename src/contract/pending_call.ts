// A call that cannot be made yet, because the way to the node is still being found, as one that is under way.
// It must never outlast its deadline or signal only because it has not begun.
// Next: caller.ts says what each part promises.

import { type Clock, systemClock } from "../clock.ts";
import { deferred } from "../deferred.ts";
import { OperonError, toOperonError } from "../error.ts";
import type { CallOptions, Chunk, OngoingCall } from "./caller.ts";

/** What of its options counts while a call waits. */
export interface PendingCallOptions extends Pick<CallOptions, "signal" | "timeout_ms"> {
  readonly clock?: Clock;
}

/** The call that `opening` resolves to; when it rejects, the call has failed. */
export function pendingCall(
  opening: Promise<OngoingCall>,
  { signal, timeout_ms, clock = systemClock }: PendingCallOptions = {},
): OngoingCall {
  const { promise: givenUp, reject } = deferred<never>();
  let reason: OperonError | undefined;
  const cancel = (given?: OperonError) => {
    reason ??= given ?? abortReason(signal);
    reject(reason);
    opening.then((call) => call.cancel(reason)).catch(() => {});
  };
  const abort = () => cancel();
  signal?.addEventListener("abort", abort, { once: true });
  const deadline =
    timeout_ms === undefined ? undefined : clock.after(timeout_ms, () => cancel(notReached()));
  const call = Promise.race([opening, givenUp]);
  const opened = () => {
    // From here on the call minds both itself.
    signal?.removeEventListener("abort", abort);
    deadline?.[Symbol.dispose]();
  };
  call.then(opened, opened);
  if (signal?.aborted) abort();
  return callOf(call, cancel);
}

/** A call that has failed before it was made. */
export function failedCall(error: unknown): OngoingCall {
  return callOf(Promise.reject(toOperonError(error)), () => {});
}

function callOf(call: Promise<OngoingCall>, cancel: OngoingCall["cancel"]): OngoingCall {
  async function* chunks(): AsyncGenerator<Chunk, undefined> {
    yield* (await call).chunks;
    return undefined;
  }
  return {
    get chunks() {
      return chunks();
    },
    get output() {
      const output = call.then((ongoing) => ongoing.output);
      output.catch(() => {});
      return output;
    },
    receipt: call.then(
      (ongoing) => ongoing.receipt,
      () => undefined,
    ),
    cancel,
  };
}

/** What an aborted signal means for a call: cancelled, or not in time when a timeout aborted it. */
export function abortReason(signal: AbortSignal | undefined): OperonError {
  const reason: unknown = signal?.reason;
  if (reason instanceof OperonError) return reason;
  if (reason instanceof Error && reason.name === "TimeoutError") {
    return new OperonError({
      code: "node.deadline_exceeded",
      kind: "deadline_exceeded",
      message: "The call did not end in time",
    });
  }
  return new OperonError({
    code: "node.cancelled",
    kind: "cancelled",
    message: "The call was cancelled",
  });
}

function notReached(): OperonError {
  return new OperonError({
    code: "node.deadline_exceeded",
    kind: "deadline_exceeded",
    message: "The call did not begin in time: the node was not reached",
    hint: "operon node ping shows whether the node is reachable",
  });
}
