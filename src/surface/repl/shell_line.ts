// A line of the shell, taken apart: lists, pipes, redirections, nodes before a command, words without their quotes.
// It must never expand, split or guess: what belongs to a node's own shell keeps its text to the letter.
// Next: command_table.ts says whose a command is; line_plan.ts says what is to be done.

import { usageError } from "../cli/usage_error.ts";

/** A word; `isPlain` when nothing in it was quoted or escaped. */
export interface Word {
  readonly text: string;
  readonly isPlain: boolean;
}

/** Where a stage's output goes. */
export interface Redirection {
  readonly target: Word;
  readonly isAppend: boolean;
}

/** One command of a pipe. */
export interface Stage {
  /** The node written before it: `gpu: uptime`. */
  readonly node: string | undefined;
  /** Its text without node and redirections, as the node's own shell gets it. */
  readonly text: string;
  readonly words: readonly Word[];
  readonly input: Word | undefined;
  readonly output: Redirection | undefined;
  /** A redirection that only a node's own shell has: `2>&1`. */
  readonly foreign: string | undefined;
}

/** Commands joined by `|`, and what stands between them and the ones before. */
export interface Step {
  readonly joiner: ";" | "&&" | "||";
  readonly stages: readonly Stage[];
  /** Whether `&` follows it. */
  readonly isBackground: boolean;
}

/** A line. */
export type ShellLine =
  | { readonly kind: "empty" }
  /** `? WORDS` */
  | { readonly kind: "help"; readonly topic: string }
  /** `= EXPRESSION` */
  | { readonly kind: "script"; readonly code: string }
  /** `! COMMAND`: for the node's own shell, whatever is in it. */
  | { readonly kind: "raw"; readonly text: string }
  | {
      readonly kind: "steps";
      /** `on a,b:` before it. */
      readonly nodes: readonly string[] | undefined;
      /** Without `on a,b:` and without a comment. */
      readonly text: string;
      readonly steps: readonly Step[];
    };

/** A node's name or key id. */
const NODE = `(?:ed25519:[a-z2-7]{52}|[A-Za-z0-9][A-Za-z0-9._-]*)`;
const NODE_PREFIX = new RegExp(`^(${NODE}):$`);
const ON = new RegExp(String.raw`^on\s+((?:\*|${NODE})(?:[\s,]+${NODE})*)\s*:\s+(?=\S)`);

/** @throws OperonError `cli.line_invalid` */
export function parseLine(text: string): ShellLine {
  const line = text.trim();
  if (line === "" || line.startsWith("#")) return { kind: "empty" };
  if (line.startsWith("?")) return { kind: "help", topic: line.slice(1).trim() };
  if (line.startsWith("=")) return { kind: "script", code: line.slice(1).trim() };
  if (line.startsWith("!")) return { kind: "raw", text: line.slice(1).trim() };
  const on = ON.exec(line);
  const scanner = new Scanner(on ? line.slice(on[0].length) : line);
  const steps = scanner.steps();
  if (steps.length === 0) return { kind: "empty" };
  return {
    kind: "steps",
    nodes: on?.[1]?.split(/[\s,]+/).filter((name) => name !== ""),
    text: scanner.text,
    steps,
  };
}

/** The node a word names when it stands before a command: `gpu:`. */
export function nodeBefore({ text, isPlain }: Word): string | undefined {
  return isPlain ? NODE_PREFIX.exec(text)?.[1] : undefined;
}

/** A stage while it is read. */
interface Draft {
  node: string | undefined;
  /** Pieces of its text; what lies between them (redirections) is left out. */
  pieces: string[];
  words: Word[];
  input: Word | undefined;
  output: Redirection | undefined;
  foreign: string | undefined;
  start: number;
}

const CLOSERS: Readonly<Record<string, string>> = { "(": ")", "{": "}" };

class Scanner {
  text: string;
  #position = 0;

  constructor(text: string) {
    this.text = text;
  }

  steps(): Step[] {
    const steps: Step[] = [];
    let joiner: Step["joiner"] = ";";
    for (;;) {
      const stages = this.#stages();
      const operator = this.#operator();
      const isBackground = operator === "&";
      if (stages) steps.push({ joiner, stages, isBackground });
      else if (operator !== "" || joiner !== ";") throw this.#missing(operator);
      if (operator === "") return steps;
      joiner = operator === "&&" || operator === "||" ? operator : ";";
    }
  }

  /** The commands up to the end of the list's member; `undefined` when there is none. */
  #stages(): Stage[] | undefined {
    const stages: Stage[] = [];
    for (;;) {
      const stage = this.#stage();
      const isPiped = this.#peek() === "|" && this.#peek(1) !== "|";
      if (!stage && (isPiped || stages.length > 0)) throw this.#missing("|");
      if (!stage) return undefined;
      stages.push(stage);
      if (!isPiped) return stages;
      if (this.#peek(1) === "&") throw lineInvalid("|& is not known here", "Write 2>&1 |");
      this.#position++;
    }
  }

  #stage(): Stage | undefined {
    const draft: Draft = {
      node: undefined,
      pieces: [],
      words: [],
      input: undefined,
      output: undefined,
      foreign: undefined,
      start: this.#position,
    };
    while (this.#element(draft));
    this.#cut(draft, this.#position);
    const { node, words, input, output, foreign } = draft;
    const text = draft.pieces.join(" ");
    if (ON.test(text)) {
      throw lineInvalid("on NODES: stands at the beginning of a line", "Give it a line of its own");
    }
    const isEmpty = words.length === 0 && !input && !output && node === undefined;
    return isEmpty ? undefined : { node, text, words, input, output, foreign };
  }

  /** One word or redirection; false at the stage's end. */
  #element(draft: Draft): boolean {
    while (this.#peek() === " " || this.#peek() === "\t") this.#position++;
    const start = this.#position;
    const character = this.#peek();
    if (character === "" || this.#isOperator()) return false;
    if (character === "#") {
      this.text = this.text.slice(0, start).trimEnd();
      this.#position = Math.min(start, this.text.length);
      return false;
    }
    if (character === "<" && !"<(&".includes(this.#peek(1) || " ")) {
      if (draft.input) throw lineInvalid("There are two < in one command", "Leave one out");
      this.#cut(draft, start);
      this.#position++;
      draft.input = this.#target(draft, "<");
      return true;
    }
    if (character === ">" && !"(&|".includes(this.#peek(1) || " ")) {
      if (draft.output) throw lineInvalid("There are two > in one command", "Leave one out");
      this.#cut(draft, start);
      const isAppend = this.#peek(1) === ">";
      this.#position += isAppend ? 2 : 1;
      draft.output = { target: this.#target(draft, ">"), isAppend };
      return true;
    }
    const word = this.#word();
    if (draft.words.length === 0 && draft.node === undefined) {
      draft.node = nodeBefore(word);
      if (draft.node !== undefined) {
        draft.start = this.#position;
        return true;
      }
    }
    if (word.isPlain && /[<>]/.test(word.text)) draft.foreign ??= word.text;
    draft.words.push(word);
    return true;
  }

  /** Ends a piece of the stage's text here. */
  #cut(draft: Draft, end: number): void {
    const piece = this.text.slice(draft.start, end).trim();
    if (piece !== "") draft.pieces.push(piece);
  }

  #target(draft: Draft, operator: string): Word {
    while (this.#peek() === " " || this.#peek() === "\t") this.#position++;
    if (this.#peek() === "" || this.#isOperator()) {
      throw lineInvalid(`The file after ${operator} is missing`, `Write ${operator} NODE:/PATH`);
    }
    const word = this.#word();
    draft.start = this.#position;
    return word;
  }

  /** Up to the next space or operator outside of quotes and parentheses. */
  #word(): Word {
    let text = "";
    let isPlain = true;
    for (;;) {
      const character = this.#peek();
      if (character === "" || character === " " || character === "\t") break;
      if (this.#isOperator() && !this.#isDuplication(text)) break;
      if (/[<>]/.test(character) && text !== "" && !this.#isForeign(text)) break;
      if (character === "'" || character === '"' || character === "\\") {
        isPlain = false;
        text += this.#quoted(character);
      } else if (character === "`" || (character === "(" && this.#opens(text))) {
        text += this.#enclosed();
      } else {
        text += character;
        this.#position++;
      }
    }
    return { text, isPlain };
  }

  /** Whether `<` or `>` after this text belongs to the word: `2>`, `>&`, `<(`, `<<`. */
  #isForeign(text: string): boolean {
    return /^(\d*|&)[<>]*$/.test(text) || /[<>]$/.test(text) || this.#peek(1) === "(";
  }

  /** Whether `&` after this text is part of `2>&1`. */
  #isDuplication(text: string): boolean {
    return this.#peek() === "&" && /[<>]$/.test(text);
  }

  #opens(text: string): boolean {
    return text === "" || /[$<>=]$/.test(text);
  }

  /** What quotes or a backslash hide. */
  #quoted(quote: string): string {
    this.#position++;
    if (quote === "\\") {
      const next = this.#peek();
      if (next === "") throw lineInvalid("The line ends in a backslash", "Write it as \\\\");
      this.#position++;
      return next;
    }
    let text = "";
    for (;;) {
      const character = this.#peek();
      if (character === "") {
        throw lineInvalid(
          `The quote ${quote} is not closed`,
          `Write \\${quote} for one of its own`,
        );
      }
      this.#position++;
      if (character === quote) return text;
      const isEscape = quote === '"' && character === "\\" && '"\\$`'.includes(this.#peek() || " ");
      text += isEscape ? this.text[this.#position++] : character;
    }
  }

  /** `( … )` or backquotes, whole and unread: they belong to a node's own shell. */
  #enclosed(): string {
    const start = this.#position;
    const open: string[] = [];
    do {
      const character = this.#peek();
      if (character === "") {
        throw lineInvalid("A parenthesis or backquote is not closed", "Close it, or quote it");
      }
      if (character === "'" || character === '"' || character === "\\") {
        this.#quoted(character);
        continue;
      }
      this.#position++;
      if (character === open.at(-1)) open.pop();
      else if (character === "`") open.push("`");
      else if (CLOSERS[character]) open.push(CLOSERS[character]);
    } while (open.length > 0);
    return this.text.slice(start, this.#position);
  }

  #operator(): string {
    const two = this.text.slice(this.#position, this.#position + 2);
    const operator = two === "&&" || two === "||" ? two : this.#peek();
    this.#position += operator.length;
    return operator;
  }

  #isOperator(): boolean {
    const character = this.#peek();
    // `&>` sends both outputs somewhere: not an end.
    if (character === "&") return this.#peek(1) !== ">";
    return character === "|" || character === ";" || character === "\n";
  }

  #peek(ahead = 0): string {
    return this.text[this.#position + ahead] ?? "";
  }

  #missing(operator: string) {
    const where = operator === "" || operator === "\n" ? "at the end" : `beside ${operator}`;
    return lineInvalid(`A command is missing ${where}`, "Quote what is not meant as an operator");
  }
}

function lineInvalid(message: string, hint: string) {
  return usageError("line_invalid", message, hint);
}
