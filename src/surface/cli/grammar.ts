// Every command there is, as one tree of data: operations from descriptions, and hand-written verbs.
// It must never name a capability or do anything: parser, help, completion and REPL all read the same tree.
// Next: flags.ts derives an operation's flags; scan.ts walks the tree; help.ts shows it.

import type { CapabilityDescription, OperationDescription } from "../../contract/description.ts";
import type { ForwardShape } from "../../contract/operation.ts";
import type { HandWrittenVerb } from "./verb.ts";

/** What a complete command does. */
export type Command =
  | {
      readonly kind: "operation";
      readonly operation: OperationDescription;
      /** The command makes a call for every local connection, instead of one. */
      readonly forward?: ForwardShape;
      /** Other operations this command is with one of these flags. */
      readonly variants?: readonly CommandVariant[];
    }
  | { readonly kind: "verb"; readonly verb: HandWrittenVerb };

/** A flag that makes a command another operation with the same input. */
export interface CommandVariant {
  readonly flag: string;
  readonly summary: string;
  readonly operation: OperationDescription;
}

/** A word of a command line, and what may follow it. It may be a command and have children at once. */
export interface CommandNode {
  readonly name: string;
  /** All words from the root, without `operon`. */
  readonly path: readonly string[];
  readonly aliases: readonly string[];
  readonly summary: string;
  readonly hidden: boolean;
  readonly command: Command | undefined;
  readonly children: readonly CommandNode[];
}

interface Draft {
  name: string;
  path: readonly string[];
  aliases: readonly string[];
  summary: string;
  hidden: boolean;
  command: Command | undefined;
  children: Draft[];
}

/** The tree. A verb with the path of an operation takes its place. */
export function grammar(
  capabilities: readonly CapabilityDescription[],
  verbs: readonly HandWrittenVerb[],
): CommandNode {
  const root = draft([], "");
  for (const capability of capabilities) {
    const group = reach(root, [kebab(capability.id)]);
    group.summary = capability.summary;
    for (const operation of capability.operations) {
      const node = reach(group, [kebab(operation.name)]);
      node.summary = operation.summary;
      node.aliases = operation.cli.aliases ?? [];
      node.hidden = operation.cli.hidden === true;
      node.command = { kind: "operation", operation };
      const { forward } = operation.cli;
      if (!forward) continue;
      const forwarding = reach(group, [forward.command]);
      forwarding.summary = forward.summary;
      forwarding.command = { kind: "operation", operation, forward };
    }
    for (const operation of capability.operations) addVariant(group, operation);
  }
  for (const verb of verbs) {
    const node = reach(root, verb.path);
    node.summary = verb.summary;
    node.aliases = verb.aliases ?? [];
    node.hidden = verb.hidden === true;
    node.command = { kind: "verb", verb };
  }
  return root;
}

function addVariant(group: Draft, operation: OperationDescription): void {
  const { variant_of } = operation.cli;
  if (!variant_of) return;
  const node = reach(group, [kebab(variant_of.operation)]);
  if (node.command?.kind !== "operation") return;
  const { flag, summary } = variant_of;
  const variants = [...(node.command.variants ?? []), { flag, summary, operation }];
  node.command = { ...node.command, variants };
}

/** The child a word names, by name or alias; `list_all` is `list-all`. */
export function childOf(node: CommandNode, word: string): CommandNode | undefined {
  const name = kebab(word);
  return (
    node.children.find((child) => child.name === name) ??
    node.children.find((child) => child.aliases.includes(name))
  );
}

/** What a person may type after `node`. */
export function visibleChildren(node: CommandNode): readonly CommandNode[] {
  return node.children.filter(
    (child) => !child.hidden && (child.command !== undefined || visibleChildren(child).length > 0),
  );
}

/** `size_bytes` → `size-bytes`. */
export function kebab(name: string): string {
  return name.replaceAll("_", "-");
}

function reach(node: Draft, path: readonly string[]): Draft {
  const [name, ...rest] = path;
  if (name === undefined) return node;
  let child = node.children.find((other) => other.name === name);
  if (!child) {
    child = draft([...node.path, name], name);
    node.children.push(child);
  }
  return reach(child, rest);
}

function draft(path: readonly string[], name: string): Draft {
  return { name, path, aliases: [], summary: "", hidden: false, command: undefined, children: [] };
}
