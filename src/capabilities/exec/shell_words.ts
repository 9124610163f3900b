// What a shell makes of words: quoting, and its built-in commands.
// It must never try to parse the shell's language: where it matters, the answer is "cannot know".
// Next: facts.ts decides when a shell is needed; policy/command_caveats.ts scans texts for denied commands.

/**
 * Commands of POSIX that only a shell can do; several words that begin with one go through the
 * shell.
 */
const BUILTINS = new Set([
  ...[".", ":", "alias", "bg", "break", "cd", "command", "continue", "eval", "exec", "exit"],
  ...["export", "fc", "fg", "getopts", "hash", "jobs", "read", "readonly", "return", "set"],
  ...["shift", "times", "trap", "type", "ulimit", "umask", "unalias", "unset", "wait"],
]);

/** Whether only a shell knows this command. */
export function isShellBuiltin(word: string): boolean {
  return BUILTINS.has(word);
}

/** Words as one shell text that means exactly these words. */
export function quoteWords(words: readonly string[]): string {
  return words.map(quoteWord).join(" ");
}

function quoteWord(word: string): string {
  if (/^[A-Za-z0-9_./:=@%+,-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}
