// Globs over resources and virtual paths: `*` and `?` stay inside one path component, `**` crosses components.
// It must never backtrack: the time of a match grows with the text times the pattern, whatever a peer sends.
// Next: resource_index.ts uses `prefix` and `form` to look rules up without testing each of them.
//
//   literal   itself; there is no escape, no `[a-z]`, no `{a,b}`, no `!`
//   ?         one character that is not `/`
//   *         any run of characters without `/`, also the empty one
//   **        any run of characters
//   a/**      everything below `a`, and `a` itself: denying a folder's content denies the folder
//   a/**/b    `a/b` as well as `a/x/b` and `a/x/y/b`

import { OperonError } from "../error.ts";

/** Longest pattern (UTF-16 units): with PATH_BYTES_MAX it bounds the work of one match. */
export const GLOB_LENGTH_MAX = 1024;

/** A compiled pattern. */
export interface Glob {
  readonly pattern: string;
  /** What every match starts with; the whole pattern when `form` is `literal`. */
  readonly prefix: string;
  /** What every match ends with; empty unless `form` is `general`. */
  readonly suffix: string;
  /** `literal`: equals `prefix`. `subtree`: `prefix` itself or below it. `general`: everything else. */
  readonly form: "literal" | "subtree" | "general";
  /** Whether the whole text matches. Pure; may be called any number of times. */
  readonly matches: (text: string) => boolean;
}

/** One step of the automaton: a character code, or one of the negative marks below. */
type Token = number;
const ONE = -1;
const RUN_IN_COMPONENT = -2;
const RUN = -3;
/** Takes no character: goes on with the next token, or past the next two. */
const OPTIONAL_PAIR = -4;

const SLASH = 47;
const STAR = 42;
const QUESTION = 63;

/**
 * Compiles a pattern once, for any number of matches.
 * @throws OperonError `policy.glob_invalid` for an empty or over-long pattern, or one with control characters
 */
export function compileGlob(pattern: string): Glob {
  if (pattern === "" || pattern.length > GLOB_LENGTH_MAX || hasControl(pattern)) {
    throw new OperonError({
      code: "policy.glob_invalid",
      kind: "invalid_argument",
      message: `${JSON.stringify(pattern.slice(0, 80))} is not a pattern`,
      hint: `Use 1 to ${GLOB_LENGTH_MAX} characters without control characters`,
    });
  }
  let normal = pattern;
  while (normal.includes("/**/**")) normal = normal.replaceAll("/**/**", "/**");
  const wild = normal.search(/[*?]/);
  if (wild < 0) {
    const matches = (text: string) => text === normal;
    return { pattern, prefix: normal, suffix: "", form: "literal", matches };
  }
  if (normal.endsWith("/**") && wild === normal.length - 2) {
    const prefix = normal.slice(0, -3);
    return { pattern, prefix, suffix: "", form: "subtree", matches: (t) => isWithin(t, prefix) };
  }
  return generalGlob(pattern, normal);
}

/** Whether `text` is `folder` or lies below it: `/a_evil` is not within `/a`. */
export function isWithin(text: string, folder: string): boolean {
  if (!text.startsWith(folder)) return false;
  return text.length === folder.length || text.charCodeAt(folder.length) === SLASH;
}

function generalGlob(pattern: string, normal: string): Glob {
  const tokens = tokenize(normal);
  let literal = 0;
  while (tokens[literal]! >= 0) literal++;
  const prefix = String.fromCharCode(...tokens.slice(0, literal));
  const last = tokens.findLastIndex((token) => token < 0);
  // The slash of `**/` may be skipped, so it is no promise about the end of the text.
  const fixed = last + (tokens[last - 1] === OPTIONAL_PAIR ? 2 : 1);
  const suffix = String.fromCharCode(...tokens.slice(fixed));
  const inside = longestInside(tokens.slice(literal, fixed));
  const rest = tokens.slice(literal);
  return {
    pattern,
    prefix,
    suffix,
    form: "general",
    // Most texts fail one of the cheap tests, all of which every match must pass.
    matches: (text) =>
      text.startsWith(prefix) &&
      text.endsWith(suffix) &&
      (inside === "" || text.includes(inside)) &&
      run(rest, text, prefix.length),
  };
}

/** The longest run of characters that every match must contain; those that may be skipped are none. */
function longestInside(tokens: readonly Token[]): string {
  let longest = "";
  let current = "";
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!;
    current = token >= 0 ? current + String.fromCharCode(token) : "";
    if (token === OPTIONAL_PAIR) at += 2;
    if (current.length > longest.length) longest = current;
  }
  return longest;
}

function tokenize(pattern: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; ) {
    const code = pattern.charCodeAt(at);
    const starts = at === 0 || pattern.charCodeAt(at - 1) === SLASH;
    if (code === SLASH && at === pattern.length - 3 && pattern.endsWith("/**")) {
      tokens.push(OPTIONAL_PAIR, SLASH, RUN);
      break;
    }
    if (starts && pattern.startsWith("**/", at)) {
      tokens.push(OPTIONAL_PAIR, RUN, SLASH);
      at += 3;
    } else if (code === STAR) {
      let end = at;
      while (pattern.charCodeAt(end) === STAR) end++;
      tokens.push(end - at > 1 ? RUN : RUN_IN_COMPONENT);
      at = end;
    } else {
      tokens.push(code === QUESTION ? ONE : code);
      at++;
    }
  }
  return tokens;
}

/** Simulates the automaton on `text` from `start`: every state is held at most once, so nothing is ever tried again. */
function run(tokens: readonly Token[], text: string, start: number): boolean {
  const states = tokens.length + 1;
  const seen = new Int32Array(states).fill(-1);
  let now = new Uint16Array(states);
  let next = new Uint16Array(states);
  let count = enter(tokens, { state: 0, into: now, count: 0, seen, stamp: 0 });
  for (let at = start; at < text.length; at++) {
    if (count === 0) return false;
    const code = text.charCodeAt(at);
    const stamp = at - start + 1;
    let found = 0;
    for (let i = 0; i < count; i++) {
      const state = now[i]!;
      const token = tokens[state];
      if (token === undefined) continue;
      let to = -1;
      if (token >= 0) to = token === code ? state + 1 : -1;
      else if (token === ONE) to = oneCharacter(code, text.charCodeAt(at + 1), state);
      else if (token === RUN || code !== SLASH) to = state;
      if (to >= 0) found = enter(tokens, { state: to, into: next, count: found, seen, stamp });
    }
    [now, next] = [next, now];
    count = found;
  }
  return seen[tokens.length] === text.length - start;
}

/** `?` takes a surrogate pair as one character: it stays where it is on the first half. */
function oneCharacter(code: number, following: number, state: number): number {
  if (code === SLASH) return -1;
  const isFirstHalf = code >= 0xd800 && code <= 0xdbff;
  const isPair = isFirstHalf && following >= 0xdc00 && following <= 0xdfff;
  return isPair ? state : state + 1;
}

interface Entering {
  state: number;
  readonly into: Uint16Array;
  count: number;
  readonly seen: Int32Array;
  readonly stamp: number;
}

/** Adds a state and all that follow from it without a character; returns the new count. */
function enter(tokens: readonly Token[], entering: Entering): number {
  const { state, into, seen, stamp } = entering;
  if (seen[state] === stamp) return entering.count;
  seen[state] = stamp;
  const token = tokens[state];
  if (token === OPTIONAL_PAIR) {
    entering.state = state + 1;
    entering.count = enter(tokens, entering);
    entering.state = state + 3;
    return enter(tokens, entering);
  }
  into[entering.count++] = state;
  if (token !== RUN && token !== RUN_IN_COMPONENT) return entering.count;
  entering.state = state + 1;
  return enter(tokens, entering);
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
