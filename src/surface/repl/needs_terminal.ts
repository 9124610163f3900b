// Which command lines are given a terminal without being asked for one with `tty`: programs that are of no use without.
// It must never take in a program that prints and ends: in a terminal its errors could not be told from its output, and
// what is typed meanwhile for the next line would be its input.
// Next: stage.ts asks.

/** Editors, pagers, monitors, multiplexers, and what asks for passwords. */
const ALWAYS = new Set(
  (
    "vi vim nvim nano pico emacs joe mcedit mc less more most man info top htop btop atop iotop iftop nethogs watch " +
    "tmux screen byobu su sudo doas passwd ssh telnet login visudo crontab gdb lldb"
  ).split(" "),
);

/** Shells and interpreters: on their own they talk, with arguments they run something. */
const ALONE = new Set(
  "sh bash dash ash zsh fish ksh python python3 ipython node bun deno irb lua psql mysql sqlite3 redis-cli bc ftp sftp".split(
    " ",
  ),
);
const ASSIGNMENT = /^[A-Za-z_][A-Za-z0-9_]*=/;
const OPTION = /^-{1,2}[A-Za-z]/;

/** Whether a line for a node's own shell is one command that talks to a person. */
export function needsTerminal(text: string): boolean {
  if (/[|&;<>()`\n]/.test(text)) return false;
  const words = text
    .trim()
    .split(/\s+/)
    .filter((word) => !ASSIGNMENT.test(word));
  const [program = "", ...others] = words;
  const name = program.slice(program.lastIndexOf("/") + 1);
  if (ALWAYS.has(name)) return true;
  // `sh -l` talks, `sh -c …` and `python x.py` do not.
  return ALONE.has(name) && others.every((word) => OPTION.test(word) && !/^-[A-Za-z]*c/.test(word));
}
