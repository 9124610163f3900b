// What kind of word may stand at the end of a command line, worked out from the commands' own descriptions.
// It must never fail: a line that is still being typed is wrong in some way nearly always.
// Next: offers.ts asks nodes for what only they know; completion_verbs.ts answers a shell, repl/completion.ts our own.

import type { CliArgument, ValueSource } from "../../contract/operation.ts";
import { argumentsOf, type CommandArgument, flagsOf, GLOBAL_FLAGS } from "../cli/flags.ts";
import { type CommandNode, childOf, visibleChildren } from "../cli/grammar.ts";
import type { Flag } from "../cli/verb.ts";

/** A word that may stand there. */
export interface Offer {
  readonly word: string;
  /** More of the word may follow: `gpu:`, `folder/`. */
  readonly isOpen?: boolean;
  readonly summary?: string;
}

/** What may stand there. */
export type ExpectedWord =
  | { readonly kind: "offers"; readonly offers: readonly Offer[] }
  | { readonly kind: "node" }
  /** `node:/path` */
  | { readonly kind: "path" }
  | { readonly kind: "value"; readonly source: ValueSource; readonly node: string }
  /** A folder of this node, without its name: `/data`. */
  | { readonly kind: "folder"; readonly node: string }
  | { readonly kind: "local_file" }
  | { readonly kind: "nothing" };

/** The end of a command line, and the global flags before it. */
export interface LineEnd {
  readonly expected: ExpectedWord;
  /** What of the word stands before that: `--flag=`. */
  readonly lead: string;
  readonly globals: ReadonlyMap<string, string>;
}

const NOTHING: ExpectedWord = { kind: "nothing" };

/** What may stand in place of `typed`, the last word, which may be empty, after `words`. */
export function expectedWord(root: CommandNode, words: readonly string[], typed: string): LineEnd {
  const line = new TypedLine(root);
  for (const word of words) line.add(word);
  const { globals } = line;
  // A flag's value is what it is wherever it stands: behind the flag, or in one word with it.
  const [lead = ""] = /^--[^=]+=/.exec(typed) ?? [];
  const isValue = lead !== "" && line.takesWords;
  if (!isValue) return { expected: line.expect(typed), lead: "", globals };
  line.add(lead.slice(0, -1));
  return { expected: line.expectValue(typed.slice(lead.length)), lead, globals };
}

class TypedLine {
  readonly globals = new Map<string, string>();
  #node: CommandNode;
  readonly #positional: string[] = [];
  /** The flag whose value comes next. */
  #open: Flag | undefined;
  #isRest = false;
  #isLost = false;

  constructor(root: CommandNode) {
    this.#node = root;
  }

  add(word: string): void {
    const open = this.#open;
    this.#open = undefined;
    if (this.#isRest) return;
    if (open) return this.#value(open, word);
    if (word === "--") this.#isRest = true;
    else if (/^-[^\d]/.test(word)) this.#flag(word);
    else this.#word(word);
  }

  /** Whether words here are read as flags and arguments: not behind `--`, nor where a flag's value stands. */
  get takesWords(): boolean {
    return !this.#isRest && !this.#isLost && this.#open === undefined;
  }

  /** The value of the flag that was added last, in one word with it; a file is the shell's to complete, which it does not so. */
  expectValue(typed: string): ExpectedWord {
    const expected = this.#open ? this.#flagValue(this.#open, typed) : NOTHING;
    return expected.kind === "local_file" ? NOTHING : expected;
  }

  expect(typed: string): ExpectedWord {
    if (this.#isRest || this.#isLost) return NOTHING;
    if (this.#open) return this.#flagValue(this.#open, typed);
    if (typed.startsWith("-")) return offers(typed, this.#flags().map(flagOffer));
    const below = this.#positional.length === 0 ? visibleChildren(this.#node) : [];
    const commands = below.map(({ name, summary }) => ({ word: name, summary }));
    const begun = offers(typed, commands);
    return begun.offers.length > 0 ? begun : this.#argument(typed);
  }

  #word(word: string): void {
    const root = this.#node.path.length === 0;
    if (root && word === "help") return;
    const child = this.#positional.length === 0 ? childOf(this.#node, word) : undefined;
    if (child) this.#node = child;
    else if (this.#node.command) this.#positional.push(word);
    else this.#isLost = true;
  }

  #flag(word: string): void {
    const [name = "", attached] = word.split(/=(.*)/s, 2);
    const flag = this.#find(name);
    if (!flag || flag.kind === "boolean") return;
    if (attached === undefined) this.#open = flag;
    else this.#value(flag, attached);
  }

  #value(flag: Flag, value: string): void {
    if (GLOBAL_FLAGS.includes(flag)) this.globals.set(flag.name, value);
  }

  #flags(): readonly Flag[] {
    const own = this.#node.command ? flagsOf(this.#node.command) : [];
    return [...own, ...GLOBAL_FLAGS].filter(({ hidden }) => !hidden);
  }

  #find(word: string): Flag | undefined {
    const name = word.replaceAll("_", "-");
    return this.#flags().find((flag) => name === `--${flag.name}` || name === `-${flag.short}`);
  }

  #flagValue({ choices, completes_from, form, value }: Flag, typed: string): ExpectedWord {
    if (choices)
      return offers(
        typed,
        choices.map((word) => ({ word })),
      );
    if (form === "folder") return { kind: "folder", node: this.#target() };
    if (completes_from) return { kind: "value", source: completes_from, node: this.#target() };
    if (value === "FILE" || value === "DIR") return { kind: "local_file" };
    return value === "NODE" ? { kind: "node" } : NOTHING;
  }

  #argument(typed: string): ExpectedWord {
    const { command } = this.#node;
    const all = command ? argumentsOf(command) : [];
    const last = all.at(-1);
    const argument = all[this.#positional.length] ?? (last?.variadic ? last : undefined);
    if (!argument) return NOTHING;
    const { source } = argument;
    if (source === "verb") return verbArgument(argument, typed);
    return source === "node" ? { kind: "node" } : this.#operationArgument(source);
  }

  #operationArgument({ form, completes_from, file_into }: CliArgument): ExpectedWord {
    if (form === "node_path") return { kind: "path" };
    if (completes_from) return { kind: "value", source: completes_from, node: this.#target() };
    return file_into ? { kind: "local_file" } : NOTHING;
  }

  #target(): string {
    const { command } = this.#node;
    const node = command?.kind === "operation" ? command.operation.cli.node : "local";
    return node === "argument" ? (this.#positional[0] ?? "local") : "local";
  }
}

function verbArgument({ names, choices }: CommandArgument, typed: string): ExpectedWord {
  if (choices) {
    return offers(
      typed,
      choices.map((word) => ({ word })),
    );
  }
  return names ? { kind: names } : NOTHING;
}

function flagOffer({ name, summary }: Flag): Offer {
  return { word: `--${name}`, ...(summary === undefined ? {} : { summary }) };
}

function offers(typed: string, all: readonly Offer[]) {
  return { kind: "offers", offers: all.filter(({ word }) => word.startsWith(typed)) } as const;
}
