// Runs authorized calls: deadline, cancel, streams in both directions, output check, and the entry that says how it ended.
// It must never outlive its authority: when policy changes, what would no longer be allowed is cut off.
// Next: authority.ts decides again; ongoing.ts is the caller's side of the same streams.

import type { Clock } from "../clock.ts";
import type { Call } from "../contract/capability.ts";
import type { Access, AnyOperation, StreamShape } from "../contract/operation.ts";
import type { Services } from "../contract/services.ts";
import { OperonError, toOperonError } from "../error.ts";
import { CALL_TIMEOUT_MAX_MS, CALL_TIMEOUT_MS, REAUTHORIZE_MS } from "../limits.ts";
import type { CallStream } from "../wire/call_stream.ts";
import { Cancellation } from "../wire/cancellation.ts";
import { decode } from "../wire/codec.ts";
import type { Authority } from "./authority.ts";
import type { Authorized, Bound } from "./invoke.ts";
import { ItemWriter } from "./ongoing.ts";

/** What running needs. */
export interface RunnerOptions {
  readonly authority: Authority;
  readonly services: Services;
  readonly clock: Clock;
  /** Whether a read's entry must be durable before its answer. */
  readonly isStrict: () => boolean;
  /** Where failures that no caller may see are reported. */
  readonly report: (error: unknown, operation: string) => void;
}

interface LiveCall {
  readonly authorized: Authorized;
  readonly end: Cancellation;
}

/** The calls under way on a node. */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #live = new Set<LiveCall>();
  #sweep: Disposable | undefined;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** How many calls are under way. */
  get liveCalls(): number {
    return this.#live.size;
  }

  /** Runs the handler to its end and answers the caller; never throws. */
  async run(authorized: Authorized): Promise<void> {
    const { bound } = authorized;
    const { message } = bound.request;
    const live: LiveCall = { authorized, end: new Cancellation() };
    const startMs = this.#options.clock.monotonicMs();
    const counter: Counter = { in: 0, out: 0 };
    this.#track(live);
    using _deadline = this.#deadline(live);
    const { cancellation } = message.stream;
    const ignoreCaller = cancellation.onCancel(() => live.end.cancel(cancellation.reason));
    let failure: OperonError | undefined;
    let output: unknown;
    try {
      this.#assertCurrent(authorized);
      if (bound.factsFailure) throw bound.factsFailure;
      output = await this.#handle(authorized, live, counter);
      if (this.#options.isStrict()) await authorized.durable;
    } catch (error) {
      failure = this.#visible(error, bound.registered.id);
    } finally {
      ignoreCaller();
    }
    const unrecorded = await this.#options.authority.finished(authorized, {
      ok: failure === undefined,
      ...(failure ? { code: failure.code } : {}),
      ...exitCodeOf(output),
      duration_ms: Math.round((this.#options.clock.monotonicMs() - startMs) * 1000) / 1000,
      ...(counter.in > 0 ? { bytes_in: counter.in } : {}),
      ...(counter.out > 0 ? { bytes_out: counter.out } : {}),
    });
    if (unrecorded) failure ??= outcomeUnrecorded(bound.registered.id, unrecorded);
    // Live until now: a node that stops waits for the entry and the answer.
    this.#live.delete(live);
    const receipt = this.#options.authority.receipt(
      authorized.decision,
      authorized.audited.receipt,
    );
    message.respond(
      failure ? { ok: false, error: failure.toDocument(), receipt } : { ok: true, output, receipt },
    );
  }

  /** Cuts off every live call that policy would now refuse. Called when policy changed, and from time to time. */
  reauthorize(): void {
    for (const { authorized, end } of this.#live) {
      if (!this.#options.authority.stillAllows(authorized)) end.cancel(revoked());
    }
  }

  /** Between its decision and now a call may have waited for the disk, and the policy may have been loaded anew. */
  #assertCurrent(authorized: Authorized): void {
    const { authority, services } = this.#options;
    const isOld = authorized.bound.mounts !== services.mounts;
    if (isOld && !authority.stillAllows(authorized)) throw revoked();
  }

  /** Cuts off every live call. */
  abortAll(reason: OperonError): void {
    for (const live of this.#live) live.end.cancel(reason);
  }

  /** Resolves when no call is under way any more. */
  async idle(signal: AbortSignal): Promise<void> {
    while (this.#live.size > 0 && !signal.aborted)
      await this.#options.clock.sleep(10, signal).catch(() => {});
  }

  #track(live: LiveCall): void {
    this.#live.add(live);
    if (this.#sweep) return;
    const sweep = () => {
      this.#sweep = undefined;
      if (this.#live.size === 0) return;
      this.reauthorize();
      this.#sweep = this.#options.clock.after(REAUTHORIZE_MS, sweep);
    };
    this.#sweep = this.#options.clock.after(REAUTHORIZE_MS, sweep);
  }

  #deadline(live: LiveCall): Disposable {
    const { registered, request } = live.authorized.bound;
    const asked = request.message.body.timeout_ms;
    const isUnbounded = registered.operation.lifetime === "unbounded";
    if (asked === undefined && isUnbounded) return { [Symbol.dispose]() {} };
    const ms = Math.min(asked ?? CALL_TIMEOUT_MS, CALL_TIMEOUT_MAX_MS);
    return this.#options.clock.after(ms, () => {
      live.end.cancel(
        new OperonError({
          code: "node.deadline_exceeded",
          kind: "deadline_exceeded",
          message: `${registered.id} did not end within ${ms} ms`,
          hint: "Give it more time with --timeout-secs, or ask for less at once",
        }),
      );
    });
  }

  async #handle(authorized: Authorized, live: LiveCall, counter: Counter): Promise<unknown> {
    const { bound } = authorized;
    const { operation, capability, name } = bound.registered;
    const { stream } = bound.request.message;
    const call = this.#call(authorized, live, counter);
    const handler = (
      capability.handlers as Record<string, (input: unknown, call: unknown) => unknown>
    )[name];
    if (!handler) throw new Error(`No handler for ${bound.registered.id}`);
    const work = operation.sends
      ? drive(handler(bound.input, call) as AsyncGenerator<unknown, unknown>, {
          shape: operation.sends,
          stream,
          end: live.end,
          counter,
        })
      : (handler(bound.input, call) as Promise<unknown>);
    const output = await untilCancelled(work, live.end);
    const checked = operation.output.safeParse(output);
    if (!checked.success)
      throw new Error(`${bound.registered.id} returned a wrong output: ${checked.error.message}`);
    return checked.data;
  }

  #call(authorized: Authorized, live: LiveCall, counter: Counter): Call {
    const { bound } = authorized;
    const { operation, capability, id } = bound.registered;
    const { message, principal, via } = bound.request;
    const { clock, authority, services } = this.#options;
    return {
      operation: id,
      principal,
      via,
      get signal() {
        return live.end.signal;
      },
      deadline_ms:
        clock.nowMs() +
        Math.min(message.body.timeout_ms ?? CALL_TIMEOUT_MAX_MS, CALL_TIMEOUT_MAX_MS),
      trace: {
        trace_id: message.body.trace?.trace_id ?? "",
        span_id: message.body.trace?.parent_span_id ?? "",
      },
      facts: bound.facts,
      get incoming() {
        return incoming(operation, message.stream, counter) as Call["incoming"];
      },
      endSending: () => message.stream.outgoing.end(),
      services: pick(services, capability.needs, bound),
      authorize: (access: Access) => authority.decide(bound, [access]).verdict === "allow",
      fail: (name, data, cause) =>
        declaredError({ capability: capability.id, operation, name, data, cause }),
    } as Call;
  }

  /** What a caller may learn of a failure: declared and node errors as they are, anything else only that it happened. */
  #visible(error: unknown, operation: string): OperonError {
    const visible = toOperonError(error);
    if (visible.code === "node.internal") this.#options.report(error, operation);
    return visible;
  }
}

interface Counter {
  in: number;
  out: number;
}

interface DriveOptions {
  readonly shape: StreamShape;
  readonly stream: CallStream;
  readonly end: Cancellation;
  readonly counter: Counter;
}

/** Runs a generator handler: what it yields goes to the caller as credit allows, what it returns is the output. */
async function drive(
  generator: AsyncGenerator<unknown, unknown>,
  { shape, stream, end, counter }: DriveOptions,
): Promise<unknown> {
  const values = shape.kind === "values" ? new ItemWriter(stream.outgoing) : undefined;
  const goOn = end.onCancel(() => {
    stream.outgoing.close();
    void generator.return(undefined).catch(() => {});
  });
  try {
    for (;;) {
      const next = await generator.next();
      if (next.done) {
        await values?.flush();
        return next.value;
      }
      if (values) await values.write(next.value);
      else counter.out += await writeBytes(next.value, shape, stream);
    }
  } finally {
    goOn();
  }
}

async function writeBytes(item: unknown, shape: StreamShape, stream: CallStream): Promise<number> {
  if (item instanceof Uint8Array) {
    await stream.outgoing.write(item);
    return item.byteLength;
  }
  const { channel, bytes } = item as { channel: string; bytes: Uint8Array };
  const index = shape.kind === "bytes" ? shape.channels.indexOf(channel) : -1;
  if (index < 0) throw new Error(`A handler wrote to an unknown channel "${channel}"`);
  await stream.outgoing.write(bytes, index);
  return bytes.byteLength;
}

async function* incoming(
  operation: AnyOperation,
  stream: CallStream,
  counter: Counter,
): AsyncGenerator<unknown, undefined> {
  const shape = operation.receives;
  if (!shape) return undefined;
  for await (const chunk of stream.incoming) {
    counter.in += chunk.payload.byteLength;
    if (chunk.values !== (shape.kind === "values")) throw wrongStream();
    if (shape.kind === "bytes") {
      yield shape.channels.length > 0
        ? { channel: shape.channels[chunk.channel], bytes: chunk.payload }
        : chunk.payload;
      continue;
    }
    const items = decode(chunk.payload);
    if (!Array.isArray(items)) throw wrongStream();
    for (const item of items) {
      const parsed = shape.item.safeParse(item);
      if (!parsed.success) throw wrongStream();
      yield parsed.data;
    }
  }
  return undefined;
}

/** Settles with the work, or as soon as the call is cancelled: a handler that ignores its signal does not hold the caller. */
function untilCancelled<Result>(work: Promise<Result>, end: Cancellation): Promise<Result> {
  return new Promise((resolve, reject) => {
    const waitOn = end.onCancel(() => reject(end.reason));
    work.then(
      (result) => {
        waitOn();
        resolve(result);
      },
      (error) => {
        waitOn();
        reject(end.isCancelled ? end.reason : error);
      },
    );
  });
}

/** The mounts are those of the decision: mounts loaded since may have another resource under the same path. */
function pick(
  services: Services,
  needs: readonly string[],
  { mounts }: Pick<Bound, "mounts">,
): Partial<Services> {
  return Object.fromEntries(
    needs.map((name) => [name, name === "mounts" ? mounts : services[name as keyof Services]]),
  ) as Partial<Services>;
}

interface FailureParts {
  readonly capability: string;
  readonly operation: AnyOperation;
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>> | undefined;
  readonly cause: unknown;
}

function declaredError({ capability, operation, name, data, cause }: FailureParts): OperonError {
  const declared = operation.errors[name];
  if (!declared) throw new Error(`${capability}.${name} is not declared`);
  return new OperonError({
    code: `${capability}.${name}`,
    ...declared,
    ...(data ? { data } : {}),
    cause,
  });
}

function revoked(): OperonError {
  return new OperonError({
    code: "policy.revoked",
    kind: "permission_denied",
    message: "The right to this call was withdrawn while it ran",
    hint: "operon policy explain shows what the policy says now",
  });
}

/** Not retryable: whether to do it again is for the caller to decide. */
function outcomeUnrecorded(operation: string, cause: OperonError): OperonError {
  return new OperonError({
    code: "audit.outcome_unrecorded",
    kind: "unknown",
    message: `${operation} was done, but how it ended could not be written to the audit log: ${cause.message}`,
    hint: "Look at what it did before you try it again; the decision on it is in the log",
    cause,
  });
}

function wrongStream(): OperonError {
  return new OperonError({
    code: "node.stream_invalid",
    kind: "invalid_argument",
    message: "The caller's stream is not of the shape this operation receives",
    hint: "operon capability list NODE shows the shape",
  });
}

function exitCodeOf(output: unknown): { exit_code?: number } {
  const code = (output as { exit_code?: unknown } | undefined)?.exit_code;
  return typeof code === "number" ? { exit_code: code } : {};
}
