import type { AnyCapability, Call } from "../src/contract/capability.ts";
import type { AnyOperation, ResourceContext } from "../src/contract/operation.ts";
import type { Services } from "../src/contract/services.ts";
import { OperonError } from "../src/error.ts";

/** How a test calls a handler without a node. */
export interface FakeCallOptions {
  /** What stands in for the services the capability asks for. */
  readonly services: { readonly [Name in keyof Services]?: Partial<Services[Name]> };
  readonly signal?: AbortSignal;
  readonly principalId?: string;
}

/**
 * What a handler gave: its output, and the values it streamed. Both have been checked against the
 * schemas.
 */
export interface FakeCallResult {
  readonly output: unknown;
  readonly values: readonly unknown[];
}

/** Calls operations of one capability as a node does: input parsed, output and values checked. */
export function fakeCaller(capability: AnyCapability, options: FakeCallOptions) {
  return async (name: string, input: unknown = {}): Promise<FakeCallResult> => {
    const operation = capability.operations[name] as AnyOperation;
    const handler = capability.handlers[name] as (input: unknown, call: Call) => unknown;
    const running = handler(operation.input.parse(input), fakeCall(capability, name, options));
    const values: unknown[] = [];
    if (!operation.sends) return { output: operation.output.parse(await running), values };
    const generator = running as AsyncGenerator<unknown, unknown>;
    for (;;) {
      const next = await generator.next();
      if (next.done) return { output: operation.output.parse(next.value), values };
      values.push(
        operation.sends.kind === "values" ? operation.sends.item.parse(next.value) : next.value,
      );
    }
  };
}

/** The resource an operation's input names, on a node called `here`. */
export function resourceOf(capability: AnyCapability, name: string, input: unknown = {}): unknown {
  const operation = capability.operations[name] as AnyOperation;
  const context = { node_id: "here" } as ResourceContext;
  return operation.resource(operation.input.parse(input), context);
}

function fakeCall(capability: AnyCapability, name: string, options: FakeCallOptions): Call {
  const errors = (capability.operations[name] as AnyOperation).errors;
  return {
    operation: `${capability.id}.${name}`,
    principal: { id: options.principalId ?? "ed25519:tester", name: "tester", roles: [] },
    via: undefined,
    signal: options.signal ?? new AbortController().signal,
    deadline_ms: Number.MAX_SAFE_INTEGER,
    trace: { trace_id: "0".repeat(32), span_id: "0".repeat(16) },
    facts: {},
    services: options.services as Services,
    incoming: (async function* () {})(),
    endSending: () => {},
    authorize: () => true,
    fail(error, data, cause) {
      const declared = errors[error];
      if (!declared) throw new Error(`${error} is not declared`);
      return new OperonError({
        code: `${capability.id}.${error}`,
        ...declared,
        ...(data === undefined ? {} : { data }),
        cause,
      });
    },
  };
}
