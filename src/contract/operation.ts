// What an operation is: one callable described once, as data, from which every surface derives.
// It must never do I/O or name a surface: CLI, REPL, SDK, MCP and HTTP read it, none is read by it.
// Next: capability.ts joins operations with handlers; registry.ts holds them all.

import type { z } from "zod";
import type { ErrorKind } from "../error.ts";
import type { MountTable } from "../policy/mount.ts";

/** What an operation does to the world; decides confirmation, audit durability and annotations. */
export type Effect = "read" | "write" | "destroy" | "execute";

/** A stream of raw bytes, optionally split over named channels (`stdout`, `stderr`); at most 8 channels. */
export interface BytesShape<Channel extends string = string> {
  readonly kind: "bytes";
  readonly channels: readonly Channel[];
}

/** A stream of structured values, each checked against `item`. */
export interface ValuesShape<Item extends z.ZodType = z.ZodType> {
  readonly kind: "values";
  readonly item: Item;
}

/** The shape of one direction of a call. */
export type StreamShape = BytesShape | ValuesShape;

/** A stream of raw bytes. With channels, each chunk says which one it belongs to. */
export function bytes<const Channel extends string = never>(
  channels: readonly Channel[] = [],
): BytesShape<Channel> {
  return { kind: "bytes", channels };
}

/** A stream of values of one schema. */
export function values<Item extends z.ZodType>(item: Item): ValuesShape<Item> {
  return { kind: "values", item };
}

/** An error an operation may raise; its code on the wire is `<capability>.<name>`. */
export interface ErrorDeclaration {
  readonly kind: ErrorKind;
  /** Starts with a capital, ends without a full stop, carries no secret. */
  readonly message: string;
  /** The next step for the one who meets it. */
  readonly hint?: string;
}

/** One thing a call touches. Policy must allow every access of a call. */
export interface Access {
  /** What policy globs match, e.g. `fs:workspace/src/a.ts`. */
  readonly resource: string;
  /** Decide as if this operation were called (e.g. `fs.read` on the source of `fs.copy`); default: the operation itself. */
  readonly as?: string;
}

/** What resource functions may look at: the node's configuration, never its disk. */
export interface ResourceContext {
  readonly node_id: string;
  readonly mounts: MountTable;
}

/** A positional argument of the CLI. */
export interface CliArgument {
  /** Input field it fills. */
  readonly field: string;
  readonly optional?: boolean;
  readonly variadic?: boolean;
  /** `node_path`: `node:/path`, names the node and fills the field. `node`: a node's name as input (not the target). */
  readonly form?: "node_path";
  /** When the word names a local file, its text goes to this field instead. */
  readonly file_into?: string;
  /** Where completion finds its values. */
  readonly completes_from?: ValueSource;
}

/**
 * An operation that lists values, called at the node of the command with no input. It is one that reads. A value is
 * `field` of each value it sends, or of each item of its output's array `rows`.
 */
export interface ValueSource {
  readonly operation: string;
  readonly field: string;
  readonly rows?: string;
  /** Only those that have one of these values in these fields. */
  readonly where?: Readonly<Record<string, readonly string[]>>;
}

/** How an operation looks on a command line. Everything not said is derived from the input schema. */
export interface CliShape {
  /**
   * Where the target node comes from. `argument`: first positional; `optional`: first positional or the local node;
   * `path`: the `node:/path` of an argument with that form; `local`: always the local node.
   */
  readonly node: "argument" | "optional" | "path" | "local";
  readonly args?: readonly CliArgument[];
  /** Words after `--`: one word goes to `shell`, several to `argv` (all to `argv` with the flag `--argv`). */
  readonly rest?: { readonly argv: string; readonly shell: string; readonly optional?: true };
  /** Flags whose field has another name or a help text of its own: field → flag. */
  readonly flags?: Readonly<
    Record<
      string,
      {
        readonly flag?: string;
        readonly short?: string;
        readonly summary?: string;
        readonly hidden?: boolean;
        readonly file_into?: boolean;
        /** Where completion finds its values. */
        readonly completes_from?: ValueSource;
        /** `folder`: a folder of the node that is called; completion offers those there are. */
        readonly form?: "folder";
      }
    >
  >;
  /** Flags that feed the caller's stream: the text itself, or a local file; standard input when none is given and it is no tty. */
  readonly receives?: {
    readonly text_flag?: string;
    readonly file_flag?: string;
    readonly stdin: "always" | "piped" | "never";
    /** On a terminal one line is asked for and not shown. */
    readonly hidden?: true;
  };
  /** Flag that names a local file for the stream the node sends. */
  readonly sends?: { readonly file_flag?: string };
  /**
   * For an operation with two `node_path` arguments: when they name different nodes, the caller reads from the first and
   * writes to the second with these operations, which take the two paths as their own `node_path` and those of the other
   * fields they have. `surveys` tells the reading end what is at the writing end already.
   */
  readonly relay?: RelayShape;
  /**
   * With this flag, which names a configuration on this machine, the nodes in output field `rows` (`name`, `key`,
   * `endpoint`, `state`) are written to its `client.nodes`, but for those whose state is `conflict` or `self`.
   */
  readonly saves_nodes?: { readonly flag: string; readonly rows: string };
  /** Another command of the same group, which listens here and makes this call for each connection it accepts. */
  readonly forward?: ForwardShape;
  /** The command stays and connects here for each connection the node announces. */
  readonly publish?: PublishShape;
  /** Output field whose value becomes the process's exit code. */
  readonly exit_code?: string;
  /** Where its output says that a time limit ended what was run, and which input field sets that limit (s). */
  readonly time_limit?: { readonly ended: string; readonly secs?: string };
  /** There is a terminal at the other end: the caller's own is lent to it. */
  readonly terminal?: TerminalShape;
  /** What it is to the shell, where paths are relative to the current folder. */
  readonly shell?: ShellShape;
  /** With this flag a command of another operation of the capability is this one; their inputs are the same. */
  readonly variant_of?: {
    readonly operation: string;
    readonly flag: string;
    readonly summary: string;
  };
  /** No command: a call that other nodes make, not people (`node.redeem`). */
  readonly hidden?: true;
  /** Other spellings of the command: `["ls"]`. */
  readonly aliases?: readonly string[];
  /** How a person reads the result; `--json` ignores it. Default: `fields`. */
  readonly view?: View;
}

/** Operations a call between two nodes is made of, by id. */
export interface RelayShape {
  /** Sends bytes; called at the first path's node. Receives what `surveys` sends. */
  readonly reads: string;
  /** Receives those bytes; called at the second path's node. Its output is the call's. */
  readonly writes: string;
  /** Sends bytes; called at the second path's node. */
  readonly surveys?: string;
  /**
   * Does the same at the caller's own node, which saves the content a way: takes the whole input, with the two nodes as
   * `from_node` and `to_node`, and sends values `{bytes}` of progress. Where it is refused the caller relays itself.
   */
  readonly direct?: string;
}

/**
 * A command that opens a local port and makes a call of this operation for every connection to it (`tcp`: bytes both
 * ways, half-closes carried), or for every local address that sends to it (`udp`: values `{data}` both ways).
 */
export interface ForwardShape {
  readonly transport: "tcp" | "udp";
  /** Its word on the command line, kebab case: `forward`. */
  readonly command: string;
  readonly summary: string;
  readonly description?: string;
  /** Command lines without the leading `operon`. */
  readonly examples?: readonly string[];
}

/**
 * The operation sends values `{event: "published"}` once, then `{event: "connection", connection}` for each connection
 * somebody made. The caller answers each with a call of `accepts` (bytes both ways), whose input is this one's with
 * `connection`, and with `refused: true` when nothing here takes it.
 */
export interface PublishShape {
  /** Id of the operation that takes up a connection. */
  readonly accepts: string;
}

/**
 * A call with a terminal at the other end. The caller sends keys; the node sends what the terminal shows, and on the
 * channel `control` lines of JSON `{session, from, dropped, end}`: which session it is, where its output stands (bytes), and
 * once, where what ends that was there before the caller came: questions to the terminal in it were answered long ago.
 * Without `end` nothing is old: the caller opened the session, or the node is older.
 */
export interface TerminalShape {
  /** Input fields for the size in cells, and for the terminal's name. */
  readonly rows: string;
  readonly cols: string;
  readonly term?: string;
  /** Id of the operation that is told new sizes: `{id, rows, cols}`. */
  readonly resize: string;
  /** Id of the operation that takes the session up again. */
  readonly again: string;
  /** Input field that has the session end when this caller leaves: there is nothing to take up again then. */
  readonly ends_with_caller?: string;
}

/** What an operation is to the shell (`operon shell`), which knows no operation by name. */
export interface ShellShape {
  /** Words that call it there, without its group: `["ls"]`. */
  readonly words?: readonly string[];
  /** What the shell itself uses it for; of several with one part it takes the first. */
  readonly part?: ShellPart;
}

/**
 * `folder` streams a folder's entries (values with `name`, and `type: "folder"` for folders): completion, and a look before `cd`.
 * `file_source` sends a file's bytes (`< FILE`, `edit`), its output's `version` is what is in the file.
 * `file_sink` receives them (`> FILE`; `>> FILE` sets `append`; `edit` sets `expected_version` or `require_absent`).
 * `nodes` outputs `nodes`, each with a `name`: completion.
 * `command` runs any line that is no other command: words as `rest` says, the folder in `cwd`.
 * `terminal` runs one that needs a terminal: as `command`, its size in `rows` and `cols`.
 */
export type ShellPart = "folder" | "file_source" | "file_sink" | "nodes" | "command" | "terminal";

/** How text output is laid out. Field names may be dotted (`decision.verdict`). */
export type View =
  | { readonly kind: "fields"; readonly fields?: readonly string[] }
  /** A table over the streamed values, or over the array in output field `rows`. */
  | { readonly kind: "table"; readonly columns: readonly string[]; readonly rows?: string }
  /** One line a value or output: `{field}` is replaced. */
  | { readonly kind: "line"; readonly template: string }
  /**
   * The stream's bytes and nothing else. `screen`: a terminal was sent them before; where they come to one again, they ask
   * it nothing, and it is put in order after them.
   */
  | { readonly kind: "bytes"; readonly screen?: true }
  /** The output is a trace document: a waterfall of its spans. */
  | { readonly kind: "trace" }
  /** Values that are pieces of output: `text` or `base64`, to the standard stream their field `channel` names. */
  | { readonly kind: "output"; readonly channel: string; readonly dropped: string }
  /** Nothing on success. */
  | { readonly kind: "none" };

/** An example that help, docs and tests share; `error` names a declared error it must end in. */
export interface Example {
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly error?: string;
  /** The command line as a user would type it, without the leading `operon`. */
  readonly command?: string;
}

/** Everything about one operation, as data. */
export interface Operation<
  Input extends z.ZodType = z.ZodType,
  Output extends z.ZodType = z.ZodType,
  Errors extends Readonly<Record<string, ErrorDeclaration>> = Readonly<
    Record<string, ErrorDeclaration>
  >,
  Sends extends StreamShape | undefined = StreamShape | undefined,
  Receives extends StreamShape | undefined = StreamShape | undefined,
> {
  /** One line, imperative, capital first, no full stop. */
  readonly summary: string;
  /** A paragraph for `--help` and documentation. */
  readonly description?: string;
  readonly effect: Effect;
  readonly input: Input;
  readonly output: Output;
  /** Stream from the serving node to the caller. */
  readonly sends: Sends;
  /** Stream from the caller to the serving node. */
  readonly receives: Receives;
  readonly errors: Errors;
  readonly resource: (
    input: z.output<Input>,
    context: ResourceContext,
  ) => string | readonly Access[];
  readonly cli: CliShape;
  readonly examples: readonly Example[];
  /** `unbounded` when a call may last as long as its caller wants (follow, run with its own timeout); default `bounded`. */
  readonly lifetime: "bounded" | "unbounded";
  /**
   * Who may call it without being a principal: `invited` keys, while an invitation is open. The handler must then check
   * its own proof. Default: nobody.
   */
  readonly open_to: "nobody" | "invited";
  /** `unless_broken`: a read that must work when the audit log itself cannot be written, to say why. Default `always`. */
  readonly audited: "always" | "unless_broken";
}

/** What {@link operation} takes: an {@link Operation} with its optional parts left out. */
export interface OperationParts<
  Input extends z.ZodType,
  Output extends z.ZodType,
  Errors extends Readonly<Record<string, ErrorDeclaration>>,
  Sends extends StreamShape | undefined,
  Receives extends StreamShape | undefined,
> {
  readonly summary: string;
  readonly description?: string;
  readonly effect: Effect;
  readonly input: Input;
  readonly output: Output;
  readonly sends?: Sends;
  readonly receives?: Receives;
  readonly errors?: Errors;
  readonly resource: (
    input: z.output<Input>,
    context: ResourceContext,
  ) => string | readonly Access[];
  readonly cli?: CliShape;
  readonly examples?: readonly Example[];
  readonly lifetime?: "bounded" | "unbounded";
  readonly open_to?: "nobody" | "invited";
  readonly audited?: "always" | "unless_broken";
}

/** Defines an operation; the types of its schemas and errors are kept for handlers and callers. */
export function operation<
  Input extends z.ZodType,
  Output extends z.ZodType,
  const Errors extends Readonly<Record<string, ErrorDeclaration>> = Readonly<
    Record<never, ErrorDeclaration>
  >,
  Sends extends StreamShape | undefined = undefined,
  Receives extends StreamShape | undefined = undefined,
>(
  parts: OperationParts<Input, Output, Errors, Sends, Receives>,
): Operation<Input, Output, Errors, Sends, Receives> {
  return {
    ...parts,
    sends: parts.sends as Sends,
    receives: parts.receives as Receives,
    errors: parts.errors ?? ({} as Errors),
    cli: parts.cli ?? { node: "argument" },
    examples: parts.examples ?? [],
    lifetime: parts.lifetime ?? "bounded",
    open_to: parts.open_to ?? "nobody",
    audited: parts.audited ?? "always",
  };
}

/** Any operation, types forgotten. */
export type AnyOperation = Operation<
  z.ZodType,
  z.ZodType,
  Readonly<Record<string, ErrorDeclaration>>,
  StreamShape | undefined,
  StreamShape | undefined
>;

/** What one chunk of a stream is in process. */
export type StreamItem<Shape> =
  Shape extends BytesShape<infer Channel>
    ? [Channel] extends [never]
      ? Uint8Array
      : { readonly channel: Channel; readonly bytes: Uint8Array }
    : Shape extends ValuesShape<infer Item>
      ? z.output<Item>
      : never;
