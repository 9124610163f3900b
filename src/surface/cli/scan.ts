// Reads argv word by word: which command, which global flags, and where each value belongs.
// It must never change, split or guess a value: what was typed between two spaces arrives as it is.
// Next: command_line.ts lets cac sort the result into arguments and options; input.ts converts them.

import { suggest } from "../../policy/nearest_name.ts";
import { type CommandFlag, flagsOf, GLOBAL_FLAGS } from "./flags.ts";
import { type CommandNode, childOf, visibleChildren } from "./grammar.ts";
import { usageError } from "./usage_error.ts";
import type { Flag } from "./verb.ts";

/** A word of the command: a positional one, or a flag with its value (`true`/`false` for a boolean one). */
export type Token =
  | { readonly kind: "word"; readonly word: string }
  | { readonly kind: "flag"; readonly flag: Flag; readonly value: string };

/** What argv says. */
export interface Scan {
  readonly node: CommandNode;
  /** Whether it began with `help`. */
  readonly isHelp: boolean;
  readonly tokens: readonly Token[];
  readonly globals: readonly { readonly flag: Flag; readonly value: string }[];
  /** Words after `--`. */
  readonly rest: readonly string[] | undefined;
}

/** @throws OperonError `cli.command_unknown`, `cli.flag_unknown`, `cli.value_missing` */
export function scan(root: CommandNode, argv: readonly string[]): Scan {
  const scanner = new Scanner(root, argv);
  while (scanner.step());
  return scanner;
}

/** The flag a user meant, for messages: `--offset-bytes`. */
export function shown(flag: Flag): string {
  return `--${flag.name}`;
}

class Scanner implements Scan {
  node: CommandNode;
  isHelp = false;
  rest: readonly string[] | undefined;
  readonly tokens: Token[] = [];
  readonly globals: { flag: Flag; value: string }[] = [];
  readonly #argv: readonly string[];
  #position = 0;
  #own: readonly Flag[] = [];

  constructor(root: CommandNode, argv: readonly string[]) {
    this.node = root;
    this.#argv = argv;
  }

  step(): boolean {
    const word = this.#argv[this.#position++];
    if (word === undefined) return false;
    if (word === "--") {
      this.rest = this.#argv.slice(this.#position);
      return false;
    }
    if (word.startsWith("--")) this.#long(word);
    else if (word.startsWith("-") && word !== "-" && !this.#isNumber(word)) this.#short(word);
    else this.#word(word);
    return true;
  }

  #word(word: string): void {
    const isFirst = !this.tokens.some((token) => token.kind === "word");
    if (word === "help" && this.node.path.length === 0 && !this.isHelp) {
      this.isHelp = true;
      return;
    }
    const child = isFirst ? childOf(this.node, word) : undefined;
    if (child) {
      this.node = child;
      this.#own = child.command ? flagsOf(child.command) : [];
    } else if (this.node.command) {
      this.tokens.push({ kind: "word", word });
    } else throw unknownCommand(this.node, word);
  }

  #long(word: string): void {
    const equals = word.indexOf("=");
    const name = (equals < 0 ? word.slice(2) : word.slice(2, equals)).replaceAll("_", "-");
    const attached = equals < 0 ? undefined : word.slice(equals + 1);
    const flag = this.#find((other) => other.name === name);
    if (flag) return this.#take(flag, attached);
    const positive = name.startsWith("no-")
      ? this.#find((other) => other.kind === "boolean" && other.name === name.slice(3))
      : undefined;
    if (!positive) throw this.#unknownFlag(`--${name}`);
    if (attached !== undefined) {
      throw usageError("value_invalid", `--${name} takes no value`, `Write --${name} alone`);
    }
    this.#add(positive, "false");
  }

  /** `-r`, `-rf` (all but the last take no value), `-o FILE`, `-oFILE`, `-o=FILE`. */
  #short(word: string): void {
    for (let i = 1; i < word.length; i++) {
      const letter = word[i]!;
      const flag = this.#find((other) => other.short === letter);
      if (!flag) throw this.#unknownFlag(i === 1 && word.length > 2 ? word : `-${letter}`);
      const isLast = i === word.length - 1;
      if (flag.kind === "boolean" && !isLast) this.#add(flag, "true");
      else if (flag.kind === "boolean") this.#take(flag, undefined);
      else {
        const attached = word.slice(i + 1).replace(/^=/, "");
        this.#take(flag, isLast ? undefined : attached);
        return;
      }
    }
  }

  #take(flag: Flag, attached: string | undefined): void {
    if (attached !== undefined) return this.#add(flag, attached);
    const next = this.#argv[this.#position];
    if (flag.kind === "boolean") {
      // `--allowed false`; a flag that is off unless given takes no word.
      const isTaken = isTristate(flag) && (next === "true" || next === "false");
      if (isTaken) this.#position++;
      return this.#add(flag, isTaken ? next : "true");
    }
    if (next === undefined || next === "--" || this.#isKnownFlag(next)) {
      const hint =
        next === undefined || next === "--"
          ? `Write ${shown(flag)} ${valueName(flag)}`
          : `To pass that very text write ${shown(flag)}=${next}`;
      throw usageError("value_missing", `${shown(flag)} needs a value`, hint);
    }
    this.#position++;
    this.#add(flag, next);
  }

  #add(flag: Flag, value: string): void {
    if (this.#own.includes(flag)) this.tokens.push({ kind: "flag", flag, value });
    else this.globals.push({ flag, value });
  }

  #find(matches: (flag: Flag) => boolean): Flag | undefined {
    return this.#own.find(matches) ?? GLOBAL_FLAGS.find(matches);
  }

  #isKnownFlag(word: string): boolean {
    return word.startsWith("--") && this.#find((flag) => `--${flag.name}` === word) !== undefined;
  }

  #isNumber(word: string): boolean {
    return /^-\d/.test(word) && this.node.command !== undefined;
  }

  #unknownFlag(written: string) {
    const command = ["operon", ...this.node.path].join(" ");
    const known = [...this.#own, ...GLOBAL_FLAGS].filter((flag) => !flag.hidden).map(shown);
    const hint =
      this.node.command === undefined && !written.startsWith("--no-")
        ? "Flags of a command come after it"
        : suggest(written, known);
    return usageError("flag_unknown", `${command} has no flag ${written}`, hint);
  }
}

/** What stands for a flag's value in help and messages. */
export function valueName(flag: Flag): string {
  if (flag.value) return flag.value;
  if (flag.choices) return flag.choices.join("|");
  switch (flag.kind) {
    case "integer":
    case "number":
      return "N";
    case "map":
      return "NAME=VALUE";
    case "json":
      return "JSON";
    default:
      return "TEXT";
  }
}

/** Whether a boolean flag can be absent, true or false, each with a meaning of its own. */
export function isTristate(flag: Flag): boolean {
  const { target } = flag as Partial<CommandFlag>;
  return flag.kind === "boolean" && target?.kind === "field" && flag.default === undefined;
}

function unknownCommand(node: CommandNode, word: string) {
  const command = ["operon", ...node.path].join(" ");
  const known = visibleChildren(node).map((child) => child.name);
  const hint = asWords(node, word) ?? suggest(word, known);
  return usageError(
    "command_unknown",
    node.path.length === 0
      ? `There is no command ${JSON.stringify(word)}`
      : `${command} has no command ${JSON.stringify(word)}`,
    `${hint.endsWith("?") ? hint : `${hint}.`} \`${command} --help\` lists all`,
  );
}

/** What to write for `group.verb`, which is how policy, audit and workflows call what a command does. */
function asWords(node: CommandNode, word: string): string | undefined {
  let found: CommandNode | undefined = node;
  for (const part of word.split(".")) found = found && childOf(found, part);
  return found?.command && !found.hidden
    ? `Did you mean ${found.path.slice(node.path.length).join(" ")}?`
    : undefined;
}
