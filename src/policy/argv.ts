// Patterns over the words of a command: `*` one word, `**` the rest, globs inside a word.
// It must never look at the disk: who resolves the executable does so before policy decides.
// Next: command_caveats.ts builds the `argv` caveat from this.

/**
 * Whether every word of `argv` is covered by `pattern`.
 *
 * - `pattern[0]` with a slash is compared with the whole of `argv[0]`; without one, with its last component only, so
 *   the caller must make sure that `argv[0]` is a resolved path it trusts.
 * - A word `*` is exactly one word, also an empty one; inside a word `*` is any run of characters (slashes included) and
 *   `?` one character.
 * - A word `**` is all remaining words, also none, when it is last; elsewhere it is any number of words.
 * - The pattern covers the whole command: `[make]` does not match `make test`.
 *
 * Takes time proportional to the length of the command times that of the pattern, whatever the words are.
 */
export function matchArgv(pattern: readonly string[], argv: readonly string[]): boolean {
  const program = argv[0];
  const wanted = pattern[0];
  if (program === undefined || wanted === undefined) return false;
  if (wanted !== "**" && !matchProgram(wanted, program)) return false;
  const skip = wanted === "**" ? 0 : 1;
  let at = skip;
  let want = skip;
  let retryWant = -1;
  let retryAt = -1;
  while (at < argv.length) {
    const word = pattern[want];
    if (word === "**") {
      retryWant = ++want;
      retryAt = at;
    } else if (word !== undefined && matchWord(word, argv[at]!)) {
      want++;
      at++;
    } else if (retryWant >= 0) {
      want = retryWant;
      at = ++retryAt;
    } else return false;
  }
  while (pattern[want] === "**") want++;
  return want === pattern.length;
}

/** Compares the program: whole path when the pattern has a slash, last component otherwise. */
export function matchProgram(pattern: string, program: string): boolean {
  if (pattern.includes("/")) return matchWord(pattern, program);
  if (pattern.includes("*") || pattern.includes("?")) {
    return matchWord(pattern, program.slice(program.lastIndexOf("/") + 1));
  }
  if (!program.endsWith(pattern)) return false;
  const before = program.length - pattern.length;
  return before === 0 || program.charCodeAt(before - 1) === 47;
}

/** One word against one pattern word; only the last `*` is ever reconsidered, which is enough and stays quick. */
export function matchWord(pattern: string, word: string): boolean {
  if (pattern === "*") return true;
  if (pattern === word) return true;
  if (!pattern.includes("*") && !pattern.includes("?")) return false;
  let at = 0;
  let want = 0;
  let retryWant = -1;
  let retryAt = -1;
  while (at < word.length) {
    const sign = pattern[want];
    if (sign === "*") {
      retryWant = ++want;
      retryAt = at;
    } else if (sign !== undefined && (sign === "?" || sign === word[at])) {
      want++;
      at++;
    } else if (retryWant >= 0) {
      want = retryWant;
      at = ++retryAt;
    } else return false;
  }
  while (pattern[want] === "*") want++;
  return want === pattern.length;
}
