// Reads a regular expression into a tree: what can be matched in linear time, and nothing else.
// It must never accept look-around or back-references, nor a tree of more than a bounded size.
// Next: pattern.ts matches it.

/** Which characters (UTF-16 code units) one step takes. */
export interface CharacterSet {
  readonly isNegated: boolean;
  readonly ranges: readonly (readonly [first: number, last: number])[];
}

/** A part of an expression. */
export type Part =
  | { readonly kind: "characters"; readonly set: CharacterSet }
  | { readonly kind: "assertion"; readonly assertion: Assertion }
  | { readonly kind: "sequence"; readonly parts: readonly Part[] }
  | { readonly kind: "choice"; readonly options: readonly Part[] }
  | { readonly kind: "repeat"; readonly part: Part; readonly min: number; readonly max: number };

/** Line start, line end, word boundary, and none. */
export type Assertion = "start" | "end" | "boundary" | "no_boundary";

const DIGIT: CharacterSet["ranges"] = [[48, 57]];
const WORD: CharacterSet["ranges"] = [
  [48, 57],
  [65, 90],
  [95, 95],
  [97, 122],
];
const SPACE: CharacterSet["ranges"] = [
  [9, 13],
  [32, 32],
  [160, 160],
  [0x2028, 0x2029],
  [0xfeff, 0xfeff],
];
const LAST = 0xffff;
const DEPTH_MAX = 100;
const REPEAT_MAX = 1000;
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, "0": 0 };

/** @throws Error that says what is wrong */
export function parsePattern(text: string): Part {
  const parser = new Parser(text);
  const part = parser.choice(0);
  if (!parser.isDone) throw new Error("a closing parenthesis has no opening one");
  return part;
}

/** The text itself as a pattern. */
export function literalPattern(text: string): Part {
  const parts = [...Array(text.length).keys()].map((index) => one(text.charCodeAt(index)));
  return { kind: "sequence", parts };
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isDone(): boolean {
    return this.#at >= this.#text.length;
  }

  choice(depth: number): Part {
    if (depth > DEPTH_MAX) throw new Error("groups are nested too deeply");
    const options = [this.#sequence(depth)];
    while (this.#take("|")) options.push(this.#sequence(depth));
    return options.length === 1 ? options[0]! : { kind: "choice", options };
  }

  #sequence(depth: number): Part {
    const parts: Part[] = [];
    while (!this.isDone && this.#peek() !== "|" && this.#peek() !== ")") {
      parts.push(this.#repeat(this.#atom(depth)));
    }
    return parts.length === 1 ? parts[0]! : { kind: "sequence", parts };
  }

  #atom(depth: number): Part {
    const char = this.#next();
    if (char === "(") return this.#group(depth);
    if (char === "[") return { kind: "characters", set: this.#brackets() };
    if (char === ".") return { kind: "characters", set: { isNegated: true, ranges: [] } };
    if (char === "^") return { kind: "assertion", assertion: "start" };
    if (char === "$") return { kind: "assertion", assertion: "end" };
    if (char === "\\") return this.#escape();
    if (char === "*" || char === "+" || char === "?") throw new Error(`nothing before ${char}`);
    return one(char.charCodeAt(0));
  }

  #group(depth: number): Part {
    if (this.#take("?") && !this.#take(":")) {
      throw new Error("look-around, named groups and flags are not supported");
    }
    const part = this.choice(depth + 1);
    if (!this.#take(")")) throw new Error("a parenthesis is not closed");
    return part;
  }

  #repeat(part: Part): Part {
    let result = part;
    for (;;) {
      const [min, max] = this.#bounds() ?? [];
      if (min === undefined || max === undefined) return result;
      if (part.kind === "assertion") throw new Error("an anchor cannot be repeated");
      // Lazy or not makes no difference to whether a line matches.
      this.#take("?");
      result = { kind: "repeat", part: result, min, max };
    }
  }

  #bounds(): readonly [number, number] | undefined {
    if (this.#take("*")) return [0, Number.POSITIVE_INFINITY];
    if (this.#take("+")) return [1, Number.POSITIVE_INFINITY];
    if (this.#take("?")) return [0, 1];
    const counted = /^\{(\d{1,4})(,(\d{0,4}))?\}/.exec(this.#text.slice(this.#at, this.#at + 12));
    if (!counted) return undefined;
    this.#at += counted[0].length;
    const min = Number(counted[1]);
    const max =
      counted[2] === undefined
        ? min
        : counted[3] === ""
          ? Number.POSITIVE_INFINITY
          : Number(counted[3]);
    const isTooMany = min > REPEAT_MAX || (max !== Number.POSITIVE_INFINITY && max > REPEAT_MAX);
    if (max < min || isTooMany) throw new Error(`a count must be 0 to ${REPEAT_MAX}, in order`);
    return [min, max];
  }

  #escape(): Part {
    const char = this.#next();
    if (char === "b") return { kind: "assertion", assertion: "boundary" };
    if (char === "B") return { kind: "assertion", assertion: "no_boundary" };
    if (/[1-9k]/.test(char)) throw new Error("back-references are not supported");
    const set = classOf(char);
    return set ? { kind: "characters", set } : one(this.#escapedCode(char));
  }

  #escapedCode(char: string): number {
    const control = CONTROLS[char];
    if (control !== undefined) return control;
    if (char === "x" || char === "u") return this.#hex(char === "x" ? 2 : 4);
    if (/[A-Za-z0-9]/.test(char)) throw new Error(`\\${char} has no meaning`);
    return char.charCodeAt(0);
  }

  #hex(digits: number): number {
    const text = this.#text.slice(this.#at, this.#at + digits);
    if (text.length < digits || !/^[0-9a-fA-F]+$/.test(text))
      throw new Error("a code is not hexadecimal");
    this.#at += digits;
    return Number.parseInt(text, 16);
  }

  #brackets(): CharacterSet {
    const isNegated = this.#take("^");
    const ranges: (readonly [number, number])[] = [];
    while (!this.#take("]")) {
      if (this.isDone) throw new Error("a bracket is not closed");
      const first = this.#member(ranges);
      if (first === undefined) continue;
      const isRange = this.#peek() === "-" && this.#text[this.#at + 1] !== "]";
      if (!isRange) {
        ranges.push([first, first]);
        continue;
      }
      this.#at++;
      const last = this.#member(ranges);
      if (last === undefined || last < first) throw new Error("a range is out of order");
      ranges.push([first, last]);
    }
    return { isNegated, ranges };
  }

  /** A single character of a bracket; a class is added to the ranges instead. */
  #member(ranges: (readonly [number, number])[]): number | undefined {
    const char = this.#next();
    if (char !== "\\") return char.charCodeAt(0);
    const escaped = this.#next();
    if (escaped === "b") return 8;
    const set = classOf(escaped);
    if (!set) return this.#escapedCode(escaped);
    ranges.push(...(set.isNegated ? complement(set.ranges) : set.ranges));
    return undefined;
  }

  #peek(): string | undefined {
    return this.#text[this.#at];
  }

  #next(): string {
    const char = this.#text[this.#at++];
    if (char === undefined) throw new Error("it ends too early");
    return char;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }
}

function one(code: number): Part {
  return { kind: "characters", set: { isNegated: false, ranges: [[code, code]] } };
}

function classOf(char: string): CharacterSet | undefined {
  const ranges = { d: DIGIT, w: WORD, s: SPACE }[char.toLowerCase()];
  return ranges && { isNegated: char !== char.toLowerCase(), ranges };
}

function complement(ranges: CharacterSet["ranges"]): CharacterSet["ranges"] {
  const gaps: [number, number][] = [];
  let from = 0;
  for (const [first, last] of ranges) {
    if (first > from) gaps.push([from, first - 1]);
    from = last + 1;
  }
  gaps.push([from, LAST]);
  return gaps;
}
