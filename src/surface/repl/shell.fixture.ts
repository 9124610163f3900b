// Nodes in memory, of a capability no node has: files, and a few commands; for tests of the shell.

import { ManualClock } from "../../../test/clock.ts";
import type { Caller, CallOptions, Chunk, OngoingCall } from "../../contract/caller.ts";
import type { CapabilityDescription, OperationDescription } from "../../contract/description.ts";
import type { CliShape } from "../../contract/operation.ts";
import { type ErrorKind, OperonError } from "../../error.ts";
import type { Output } from "../cli/stdio.ts";
import type { GlobalFlags } from "../cli/verb.ts";
import type { LocalTerminal } from "./line_context.ts";
import { Shell } from "./shell.ts";

const string = { type: "string" };
const path = { node: "path", args: [{ field: "path", form: "node_path" }] } as const;

/** An operation of `box`. */
export function op(
  name: string,
  cli: CliShape,
  parts: Partial<OperationDescription> = {},
): OperationDescription {
  return {
    id: `box.${name}`,
    capability: "box",
    name,
    summary: `Do ${name}`,
    effect: "read",
    input: { type: "object", properties: { path: string } },
    output: { type: "object" },
    errors: {},
    examples: [],
    lifetime: "bounded",
    cli,
    ...parts,
  };
}

/** The capability `box`: each part of the shell, under names of its own. */
export const BOX: CapabilityDescription = {
  id: "box",
  summary: "Boxes",
  operations: [
    op(
      "look",
      {
        ...path,
        shell: { words: ["ls"], part: "folder" },
        view: { kind: "line", template: "{name}" },
      },
      { sends: { kind: "values", item: {} } },
    ),
    op(
      "get",
      { ...path, shell: { words: ["cat"], part: "file_source" }, view: { kind: "bytes" } },
      { sends: { kind: "bytes", channels: [] } },
    ),
    op(
      "put",
      {
        ...path,
        receives: { text_flag: "content", stdin: "piped" },
        shell: { part: "file_sink" },
        view: { kind: "none" },
      },
      {
        effect: "write",
        receives: { kind: "bytes", channels: [] },
        input: {
          type: "object",
          properties: {
            path: string,
            append: { type: "boolean", default: false },
            expected_version: string,
            require_absent: { type: "boolean" },
          },
        },
      },
    ),
    op(
      "burn",
      { ...path, shell: { words: ["rm"] }, view: { kind: "none" } },
      { effect: "destroy" },
    ),
    op("known", { node: "local", shell: { part: "nodes" } }),
    op("who", { node: "optional", view: { kind: "line", template: "{name}" } }),
    op(
      "run",
      {
        node: "argument",
        rest: { argv: "argv", shell: "command" },
        receives: { stdin: "piped" },
        exit_code: "exit_code",
        shell: { part: "command" },
        view: { kind: "bytes" },
      },
      {
        effect: "execute",
        sends: { kind: "bytes", channels: ["stdout", "stderr"] },
        receives: { kind: "bytes", channels: [] },
        input: { type: "object", properties: { argv: {}, command: string, cwd: string } },
      },
    ),
  ],
};

/** A call that was made. */
export interface MadeCall {
  readonly node: string;
  readonly operation: string;
  readonly input: Readonly<Record<string, unknown>>;
  isCancelled: boolean;
}

/** Nodes `local`, `a` and `b`, whose files are kept as `a:/log`. */
export class FakeNodes implements Caller {
  readonly files = new Map<string, string>();
  readonly calls: MadeCall[] = [];
  /** Names that are listed. */
  known: readonly string[] = ["a", "b"];
  /** Nodes that do not answer. */
  readonly gone = new Set<string>();

  call(node: string, operation: string, input: unknown, options: CallOptions = {}): OngoingCall {
    const made = {
      node,
      operation,
      input: input as MadeCall["input"],
      isCancelled: false,
    };
    this.calls.push(made);
    const cancelled = Promise.withResolvers<never>();
    cancelled.promise.catch(() => {});
    const cancel = () => {
      made.isCancelled = true;
      cancelled.reject(failure("node.cancelled", "cancelled"));
    };
    if (options.signal?.aborted) cancel();
    options.signal?.addEventListener("abort", cancel);
    const work = this.#serve(made, options.outgoing ?? none(), cancelled.promise);
    const output = Promise.withResolvers<unknown>();
    output.promise.catch(() => {});
    async function* chunks(): AsyncGenerator<Chunk, undefined> {
      try {
        for (;;) {
          const next = await Promise.race([work.next(), cancelled.promise]);
          if (next.done) {
            output.resolve(next.value);
            return undefined;
          }
          yield next.value;
        }
      } catch (error) {
        output.reject(error);
        throw error;
      }
    }
    const stream = chunks();
    let isRead = false;
    return {
      get chunks() {
        isRead = true;
        return stream;
      },
      get output() {
        if (!isRead) {
          isRead = true;
          void (async () => {
            for await (const _chunk of stream);
          })().catch(() => {});
        }
        return output.promise;
      },
      receipt: Promise.resolve(undefined),
      cancel,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async *#serve(
    { node, operation, input }: MadeCall,
    outgoing: AsyncIterable<unknown>,
    cancelled: Promise<never>,
  ): AsyncGenerator<Chunk, unknown> {
    if (this.gone.has(node)) throw failure("node.unreachable", "unavailable");
    const place = `${node}:${input.path}`;
    switch (operation) {
      case "box.look": {
        if (String(input.path).includes("locked"))
          throw failure("policy.denied", "permission_denied");
        const below = input.path === "/" ? "/" : `${input.path}/`;
        const names = [...this.files.keys()]
          .filter((file) => file.startsWith(`${node}:${below}`))
          .map((file) => file.slice(node.length + 1 + below.length));
        if (names.length === 0 && input.path !== "/") throw failure("box.missing", "not_found");
        for (const name of new Set(names.map((name) => name.replace(/\/.*/s, "/")))) {
          const type = name.endsWith("/") ? "folder" : "file";
          yield { kind: "value", value: { name: name.replace(/\/$/, ""), type } };
        }
        return {};
      }
      case "box.get": {
        const text = this.files.get(place);
        if (text === undefined) throw failure("box.missing", "not_found");
        yield bytes(text);
        if (place.endsWith("broken")) throw failure("box.io", "data_loss");
        return { version: `v${text.length}` };
      }
      case "box.put": {
        const text = await textOf(outgoing);
        this.files.set(place, input.append === true ? (this.files.get(place) ?? "") + text : text);
        return {};
      }
      case "box.burn":
        this.files.delete(place);
        return {};
      case "box.known":
        return { nodes: this.known.map((name) => ({ name })) };
      case "box.who":
        return { name: node };
      default:
        return yield* this.#run(String(input.command), { node, outgoing, cancelled });
    }
  }

  /** `upper`, `head`, `flood`, `hang`, `fail CODE`, `warn`; all else says what it was. */
  async *#run(
    command: string,
    parts: { node: string; outgoing: AsyncIterable<unknown>; cancelled: Promise<never> },
  ): AsyncGenerator<Chunk, unknown> {
    const { node, outgoing, cancelled } = parts;
    if (command === "upper") yield bytes((await textOf(outgoing)).toUpperCase());
    else if (command === "head") {
      for await (const chunk of outgoing) {
        yield bytes(`${new TextDecoder().decode(chunk as Uint8Array).split("\n")[0]}\n`);
        break;
      }
    } else if (command === "flood") for (;;) yield bytes("y\n".repeat(1024));
    else if (command === "hang") await cancelled;
    else if (command.startsWith("fail")) return { exit_code: Number(command.slice(5)) };
    else if (command === "warn") yield { ...bytes("careful\n"), channel: 1 };
    else yield bytes(`${node} ran ${command}\n`);
    return { exit_code: 0 };
  }
}

/** What a line printed. */
export interface LineOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a shell has beside its nodes. */
export interface FakeShellOptions {
  readonly terminal?: LocalTerminal;
  /** Operations of `box` beyond the usual ones. */
  readonly more?: readonly OperationDescription[];
}

/** A shell over {@link FakeNodes}. */
export function fakeShell(nodes = new FakeNodes(), options: FakeShellOptions = {}) {
  const { terminal, more = [] } = options;
  const capabilities = [{ ...BOX, operations: [...BOX.operations, ...more] }];
  const texts = { stdout: "", stderr: "" };
  const output = (name: keyof typeof texts): Output => ({
    isTty: false,
    columns: 80,
    async write(data) {
      texts[name] += typeof data === "string" ? data : new TextDecoder().decode(data);
    },
  });
  const shell = new Shell({
    running: {
      globals: GLOBALS,
      context: {
        describe: async () => capabilities,
        connect: async () => nodes,
        verbs: [],
        stdio: {
          stdin: { isTty: false, isPiped: false, chunks: none },
          stdout: output("stdout"),
          stderr: output("stderr"),
        },
        env: {},
        clock: new ManualClock(),
        version: "1.2.3",
        signal: new AbortController().signal,
      },
    },
    capabilities,
    verbs: [],
    sdk: (caller) => ({
      node: (name) => ({
        name,
        who: () => caller.call(name, "box.who", {}).output,
        hang: () => caller.call(name, "box.run", { command: "hang" }).output,
      }),
    }),
    terminal,
    history: () => [],
  });
  return {
    shell,
    nodes,
    async run(line: string, signal = new AbortController().signal): Promise<LineOutcome> {
      texts.stdout = "";
      texts.stderr = "";
      const code = await shell.run(line, signal);
      return { code, ...texts };
    },
  };
}

const GLOBALS: GlobalFlags = {
  json: false,
  quiet: false,
  verbose: false,
  yes: false,
  color: false,
  help: false,
  version: false,
  config: undefined,
  home: undefined,
  identity: undefined,
  timeoutSecs: undefined,
};

function failure(code: string, kind: ErrorKind): OperonError {
  return new OperonError({ code, kind, message: `It failed as ${code}` });
}

function bytes(text: string): Chunk & { kind: "bytes" } {
  return { kind: "bytes", channel: 0, bytes: new TextEncoder().encode(text) };
}

async function textOf(items: AsyncIterable<unknown>): Promise<string> {
  let text = "";
  for await (const item of items) text += new TextDecoder().decode(item as Uint8Array);
  return text;
}

async function* none(): AsyncGenerator<Uint8Array, undefined> {
  yield* [];
  return undefined;
}
