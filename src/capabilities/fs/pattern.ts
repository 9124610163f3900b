// Says whether a line holds a match of an expression, in time that grows with the line only, whatever the expression.
// It must never backtrack: all ways to match are followed at once, and what was worked out is remembered.
// Next: pattern_syntax.ts reads expressions; grep.ts searches with it.

import {
  type Assertion,
  type CharacterSet,
  literalPattern,
  type Part,
  parsePattern,
} from "./pattern_syntax.ts";

/** How a pattern is meant. */
export interface PatternOptions {
  readonly fixed: boolean;
  readonly ignoreCase: boolean;
}

/** A compiled pattern: whether a line holds a match. Pure but for its memory, which is bounded. */
export type LineTest = (line: string) => boolean;

/** Steps an expression may have: with the longest line it bounds the work of one line. */
const STEPS_MAX = 1000;
/** States remembered before all are forgotten. */
const STATES_MAX = 2000;

/** @throws Error that says what is wrong with the expression */
export function compilePattern(text: string, { fixed, ignoreCase }: PatternOptions): LineTest {
  if (fixed && !ignoreCase) return (line) => line.includes(text);
  const steps: Step[] = [];
  emit(fixed ? literalPattern(text) : parsePattern(text), { steps, ignoreCase });
  steps.push({ op: "match" });
  const automaton = new Automaton(steps);
  const literal = fixed || ignoreCase || /[\\^$.|?*+()[\]{}]/.test(text) ? undefined : text;
  return literal === undefined
    ? (line) => automaton.matches(line)
    : (line) => line.includes(literal);
}

type Step =
  | { readonly op: "characters"; readonly takes: (code: number) => boolean }
  | { readonly op: "assertion"; readonly assertion: Assertion }
  /** Goes on at both. */
  | { readonly op: "fork"; first: number; second: number }
  | { readonly op: "jump"; to: number }
  | { readonly op: "match" };

interface Emitting {
  readonly steps: Step[];
  readonly ignoreCase: boolean;
}

function emit(part: Part, emitting: Emitting): void {
  const { steps, ignoreCase } = emitting;
  if (steps.length > STEPS_MAX) throw new Error("it is too large");
  switch (part.kind) {
    case "characters":
      steps.push({ op: "characters", takes: takerOf(part.set, ignoreCase) });
      return;
    case "assertion":
      steps.push({ op: "assertion", assertion: part.assertion });
      return;
    case "sequence":
      for (const one of part.parts) emit(one, emitting);
      return;
    case "choice":
      emitChoice(part.options, emitting);
      return;
    case "repeat":
      emitRepeat(part, emitting);
  }
}

function emitChoice(options: readonly Part[], emitting: Emitting): void {
  const { steps } = emitting;
  const ends: Extract<Step, { op: "jump" }>[] = [];
  for (const [index, option] of options.entries()) {
    if (index === options.length - 1) {
      emit(option, emitting);
      break;
    }
    const fork: Step = { op: "fork", first: steps.length + 1, second: 0 };
    steps.push(fork);
    emit(option, emitting);
    const end: Extract<Step, { op: "jump" }> = { op: "jump", to: 0 };
    ends.push(end);
    steps.push(end);
    fork.second = steps.length;
  }
  for (const end of ends) end.to = steps.length;
}

function emitRepeat(
  { part, min, max }: Extract<Part, { kind: "repeat" }>,
  emitting: Emitting,
): void {
  const { steps } = emitting;
  for (let i = 0; i < min; i++) emit(part, emitting);
  if (max === Number.POSITIVE_INFINITY) {
    const fork: Step = { op: "fork", first: steps.length + 1, second: 0 };
    const start = steps.length;
    steps.push(fork);
    emit(part, emitting);
    steps.push({ op: "jump", to: start });
    fork.second = steps.length;
    return;
  }
  const forks: Extract<Step, { op: "fork" }>[] = [];
  for (let i = min; i < max; i++) {
    const fork: Extract<Step, { op: "fork" }> = { op: "fork", first: steps.length + 1, second: 0 };
    forks.push(fork);
    steps.push(fork);
    emit(part, emitting);
  }
  for (const fork of forks) fork.second = steps.length;
}

/** What stands beside a place in the line: nothing (its start or end), a word's character, or another one. */
type Side = 0 | 1 | 2;
const EDGE: Side = 0;
const WORD: Side = 1;
const OTHER: Side = 2;

interface State {
  /** Steps to go on from, sorted; before anchors there are looked at. */
  readonly steps: readonly number[];
  readonly before: Side;
  readonly ascii: (State | typeof MATCH | undefined)[];
  readonly others: Map<number, State | typeof MATCH>;
  atEnd: boolean | undefined;
}

const MATCH = Symbol("match");
const ASCII = 128;

class Automaton {
  readonly #steps: readonly Step[];
  #states = new Map<string, State>();
  /** Marks of the closure under way: no step is entered twice. */
  readonly #seen: Int32Array;
  #stamp = 0;

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
    this.#seen = new Int32Array(steps.length);
  }

  matches(line: string): boolean {
    let state = this.#state([0], EDGE);
    for (let at = 0; at < line.length; at++) {
      const code = line.charCodeAt(at);
      const known = code < ASCII ? state.ascii[code] : state.others.get(code);
      const next = known ?? this.#advance(state, code);
      if (next === MATCH) return true;
      state = next;
    }
    state.atEnd ??= this.#closure(state, EDGE) === MATCH;
    return state.atEnd;
  }

  #advance(state: State, code: number): State | typeof MATCH {
    const after = sideOf(code);
    const next = this.#follow(state, code, after);
    if (code < ASCII) state.ascii[code] = next;
    else if (state.others.size < STATES_MAX) state.others.set(code, next);
    return next;
  }

  #follow(state: State, code: number, after: Side): State | typeof MATCH {
    const reached = this.#closure(state, after);
    if (reached === MATCH) return MATCH;
    // A match may begin at every place.
    const next = [0];
    for (const index of reached) {
      const step = this.#steps[index]!;
      if (step.op === "characters" && step.takes(code)) next.push(index + 1);
    }
    return this.#state(
      [...new Set(next)].sort((a, b) => a - b),
      after,
    );
  }

  /** The character steps that can be reached without taking one. */
  #closure({ steps, before }: State, after: Side): readonly number[] | typeof MATCH {
    const stamp = ++this.#stamp;
    const reached: number[] = [];
    const waiting = [...steps];
    for (;;) {
      const index = waiting.pop();
      if (index === undefined) return reached;
      if (this.#seen[index] === stamp) continue;
      this.#seen[index] = stamp;
      const step = this.#steps[index]!;
      if (step.op === "match") return MATCH;
      if (step.op === "characters") reached.push(index);
      else if (step.op === "fork") waiting.push(step.first, step.second);
      else if (step.op === "jump") waiting.push(step.to);
      else if (holds(step.assertion, before, after)) waiting.push(index + 1);
    }
  }

  #state(steps: readonly number[], before: Side): State {
    const key = `${before}:${steps.join()}`;
    let state = this.#states.get(key);
    if (state) return state;
    // Forgetting costs time, never correctness: states of the line under way stay alive by themselves.
    if (this.#states.size >= STATES_MAX) this.#states = new Map();
    state = { steps, before, ascii: [], others: new Map(), atEnd: undefined };
    this.#states.set(key, state);
    return state;
  }
}

function holds(assertion: Assertion, before: Side, after: Side): boolean {
  if (assertion === "start") return before === EDGE;
  if (assertion === "end") return after === EDGE;
  const isBoundary = (before === WORD) !== (after === WORD);
  return assertion === "boundary" ? isBoundary : !isBoundary;
}

function sideOf(code: number): Side {
  const isWord =
    (code >= 48 && code <= 57) ||
    (code >= 65 && code <= 90) ||
    code === 95 ||
    (code >= 97 && code <= 122);
  return isWord ? WORD : OTHER;
}

function takerOf({ ranges, isNegated }: CharacterSet, ignoreCase: boolean) {
  const holdsCode = (code: number) => ranges.some(([first, last]) => code >= first && code <= last);
  if (!ignoreCase) return (code: number) => holdsCode(code) !== isNegated;
  return (code: number) => {
    const char = String.fromCharCode(code);
    const same = [code, char.toLowerCase().charCodeAt(0), char.toUpperCase().charCodeAt(0)];
    return same.some(holdsCode) !== isNegated;
  };
}
