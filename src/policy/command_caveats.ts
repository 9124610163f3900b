// The conditions rules may put on commands, and on what is given to one (`exec.*`, `secret.use`): which command, and where.
// It must never look at the disk, and never let doubt widen authority: what only might match is
// `unknown`, which an allow rule does not accept and a deny or ask rule does.
// Next: capabilities/exec/facts.ts makes the facts tested here; compile_rule.ts applies the rules.

import { z } from "zod";
import { matchArgv, matchProgram } from "./argv.ts";
import type { CaveatDefinition, CaveatMatch } from "./caveat.ts";
import { compileGlob } from "./glob.ts";

type Facts = Readonly<Record<string, unknown>>;
type Pattern = readonly string[];

/** Programs that run another program named in their words; without being complete. */
const WRAPPERS = new Set([
  ...["ash", "bash", "busybox", "chroot", "chrt", "dash", "doas", "env", "eval", "exec", "find"],
  ...["flock", "ionice", "ksh", "nice", "nohup", "nsenter", "parallel", "script", "setarch"],
  ...["setpriv", "setsid", "sh", "stdbuf", "strace", "su", "sudo", "systemd-run", "taskset"],
  ...["time", "timeout", "unshare", "watch", "xargs", "zsh"],
]);

const Argv = z
  .array(z.array(z.string().max(4096)).min(1).max(64))
  .min(1)
  .max(256);

/** Caveats rules about commands may use beyond the general ones. */
export const commandCaveats: Readonly<Record<string, CaveatDefinition>> = {
  argv: {
    summary:
      "The command is one of these: lists of words, `*` for one word, `**` for the rest; a first " +
      "word without a slash means what the configured PATH gives for it",
    value: Argv,
    compile: (patterns: readonly Pattern[]) => (facts) => matchCommand(patterns, facts),
    cannot_promise:
      "A deny or ask by argv compares words as written and cannot stop a role that may run " +
      "shells, interpreters, wrappers (env, xargs, sh -c, ld.so) or renamed copies of the " +
      "program: allow only the commands that are needed",
  },
  cwd: {
    summary: "The command runs in a virtual folder that matches one of these globs",
    value: z.array(z.string().startsWith("/")).min(1).max(256),
    compile: (patterns: readonly string[]) => {
      const globs = patterns.map(compileGlob);
      return ({ cwd }) => {
        if (typeof cwd !== "string") return "unknown";
        return globs.some((glob) => glob.matches(cwd)) ? "holds" : "fails";
      };
    },
  },
};

/**
 * `holds`: surely one of these commands. `unknown`: perhaps. `fails`: nothing in its words says so.
 */
function matchCommand(patterns: readonly Pattern[], facts: Facts): CaveatMatch {
  const [program, ...rest] = stringsOf(facts.argv);
  if (program === undefined) return "unknown";
  if (patterns.some((pattern) => surely(pattern, { facts, rest }))) return "holds";
  const { nicknames, mentioned } = namesIn(facts, program, rest);
  const perhaps = ([first, ...others]: Pattern) => {
    const name = basename(first!);
    if (nicknames.some((nickname) => matchArgv([name, ...others], [nickname, ...rest])))
      return true;
    return mentioned.some((word) => matchProgram(name, word));
  };
  return patterns.some(perhaps) ? "unknown" : "fails";
}

interface Names {
  readonly nicknames: readonly string[];
  readonly mentioned: readonly string[];
}

/** One decision asks many rules about the same facts: what does not depend on the rule is found once. */
const namesOfFacts = new WeakMap<Facts, Names>();

function namesIn(facts: Facts, program: string, rest: readonly string[]): Names {
  let names = namesOfFacts.get(facts);
  if (!names) {
    const nicknames = [program, ...stringsOf(facts.links)].map((path) => basename(path));
    names = { nicknames, mentioned: mentionedWords(facts, { nicknames, rest }) };
    namesOfFacts.set(facts, names);
  }
  return names;
}

/**
 * Whether an allow rule may rely on the match. A bare word is compared with `names` only: words for
 * which the configured PATH gives this very file. A path is compared with where the file was found,
 * not with what is behind a link: programs that act by the name they are called with (busybox)
 * would be allowed under any of their names.
 */
function surely(pattern: Pattern, { facts, rest }: { facts: Facts; rest: readonly string[] }) {
  const byPath = pattern[0] === "**" || pattern[0]!.includes("/");
  const names = byPath ? stringsOf([facts.path]) : stringsOf(facts.names);
  return names.some((name) => matchArgv(pattern, [name, ...rest]));
}

/**
 * Words that may name a program run by this one: all of a shell's text, all arguments of a known
 * wrapper.
 */
function mentionedWords(
  facts: Facts,
  { nicknames, rest }: { nicknames: readonly string[]; rest: readonly string[] },
): readonly string[] {
  const wraps = nicknames.some((name) => WRAPPERS.has(name) || /^ld-?(linux|musl|\d)/.test(name));
  return facts.shell === true || wraps ? rest.flatMap(wordsOfText) : [];
}

/** Everything in a shell text that might be the name of a command: split at blanks, operators and quotes. */
function wordsOfText(text: string): readonly string[] {
  return text.split(/[\s;&|()<>{}`"'$!=]+/).filter((word) => word !== "");
}

function stringsOf(fact: unknown): readonly string[] {
  return Array.isArray(fact) ? fact.filter((item) => typeof item === "string") : [];
}

function basename(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
