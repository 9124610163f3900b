// `= EXPRESSION`: JavaScript in this process, with nodes as typed objects.
// It must never run what came from a node, nor print a character a terminal would obey.
// Next: the entry hands in the SDK; line_context.ts keeps the values.

import type { Caller, CallOptions } from "../../contract/caller.ts";
import { OperonError } from "../../error.ts";
import type { Running } from "../cli/context.ts";
import { escapeLines } from "../cli/escape.ts";
import { nodeNames } from "./known_nodes.ts";
import type { LineContext } from "./line_context.ts";

const INSPECT_DEPTH = 8;

type Evaluated = (scope: object) => Promise<unknown>;
const AsyncFunction = (async () => {}).constructor as new (
  ...parts: readonly string[]
) => Evaluated;

/**
 * Evaluates and prints; resolves to 0. Names: `here` (the current node), `node(name)`, `nodes.NAME`, `signal`, `_` (the value
 * before), and those that were assigned to. @throws OperonError of a call, `cli.script_failed`
 */
export async function evaluate(code: string, context: LineContext): Promise<number> {
  const { shell, scope, running } = context;
  const { signal } = running.context;
  await using caller = await callerOf(running);
  const { node } = shell.parts.sdk(cancelledWith(caller, signal), shell.parts.capabilities);
  const names = {
    here: node(scope.place.node),
    node,
    nodes: new Proxy({}, { get: (_target, name) => node(String(name)) }),
    names: () => nodeNames(caller, shell.table, { signal }),
    signal,
  };
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(cancelled());
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  aborted.catch(() => {});
  try {
    const work = (async () => {
      const value = await compiled(code)(scopeOf(scope.values, names));
      scope.values._ = value;
      await print(value, running);
    })();
    await Promise.race([work, aborted]);
    return 0;
  } catch (error) {
    throw error instanceof OperonError ? error : scriptFailed(error);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** What cannot be reached is an error of the call that needs it, not of `1 + 1`. */
async function callerOf({ context, globals }: Running): Promise<Caller> {
  try {
    return await context.connect(globals);
  } catch (error) {
    return {
      call() {
        throw error;
      },
      async [Symbol.asyncDispose]() {},
    };
  }
}

/** Every call made through it ends with the line. */
function cancelledWith(caller: Caller, signal: AbortSignal): Caller {
  return {
    call(node: string, operation: string, input: unknown, options: CallOptions = {}) {
      const own = options.signal;
      const both = own ? AbortSignal.any([own, signal]) : signal;
      return caller.call(node, operation, input, { ...options, signal: both });
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** An expression, else statements. */
function compiled(code: string): Evaluated {
  try {
    return new AsyncFunction("scope", `with (scope) { return (${code}\n) }`);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return new AsyncFunction("scope", `with (scope) { ${code}\n }`);
  }
}

/** Assignments to names that are nobody's stay with the shell. */
function scopeOf(values: Record<string, unknown>, names: Readonly<Record<string, unknown>>) {
  return new Proxy(values, {
    has: (_target, name) =>
      typeof name === "string" &&
      (Object.hasOwn(values, name) || Object.hasOwn(names, name) || !(name in globalThis)),
    get(_target, name) {
      if (typeof name !== "string") return undefined;
      if (Object.hasOwn(values, name)) return values[name];
      if (Object.hasOwn(names, name)) return names[name];
      throw new ReferenceError(`${name} is not defined`);
    },
    set(_target, name, value) {
      values[String(name)] = value;
      return true;
    },
  });
}

async function print(value: unknown, running: Running): Promise<void> {
  if (isStream(value)) {
    for await (const item of value) await printItem(item, running);
    if ("output" in value) await printValue(await value.output, running);
    return;
  }
  if (value !== undefined) await printValue(value, running);
}

/** Bytes as they are, each channel to its own stream. */
async function printItem(item: unknown, running: Running): Promise<void> {
  const { stdout, stderr } = running.context.stdio;
  if (item instanceof Uint8Array) return stdout.write(item);
  const { channel, bytes } = (item ?? {}) as { channel?: unknown; bytes?: unknown };
  if (!(bytes instanceof Uint8Array)) return printValue(item, running);
  await (channel === "stderr" ? stderr : stdout).write(bytes);
}

async function printValue(value: unknown, { context, globals }: Running): Promise<void> {
  const text = globals.json
    ? (JSON.stringify(value) ?? "null")
    : escapeLines(Bun.inspect(value, { colors: false, depth: INSPECT_DEPTH }));
  await context.stdio.stdout.write(`${text}\n`);
}

function isStream(value: unknown): value is AsyncIterable<unknown> & { output?: unknown } {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

function scriptFailed(error: unknown): OperonError {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new OperonError({
    code: "cli.script_failed",
    kind: "invalid_argument",
    message: text,
    hint: "What follows = is JavaScript; ? explains",
    cause: error,
  });
}

function cancelled(): OperonError {
  return new OperonError({
    code: "cli.cancelled",
    kind: "cancelled",
    message: "The expression goes on without the shell, its calls are cancelled",
  });
}
