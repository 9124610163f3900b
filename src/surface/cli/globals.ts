import type { GlobalFlags } from "./context.ts";
import { usageError } from "./usage_error.ts";

const BOOLEANS: Readonly<
  Record<string, "json" | "quiet" | "yes" | "verbose" | "help" | "version" | "noColor">
> = {
  "--json": "json",
  "--quiet": "quiet",
  "-q": "quiet",
  "--yes": "yes",
  "-y": "yes",
  "--verbose": "verbose",
  "--help": "help",
  "-h": "help",
  "--version": "version",
  "-V": "version",
  "--no-color": "noColor",
};

const TEXTS: Readonly<Record<string, "config" | "home" | "identity">> = {
  "--config": "config",
  "--home": "home",
  "--identity": "identity",
};

/** Takes the flags that every command understands out of a line, wherever they stand before `--`. @throws OperonError `cli.usage` */
export function takeGlobals(argv: readonly string[]): {
  globals: GlobalFlags;
  words: readonly string[];
} {
  const globals: Record<string, string | boolean | undefined> = {
    json: false,
    quiet: false,
    yes: false,
    verbose: false,
    help: false,
    version: false,
    noColor: false,
    config: undefined,
    home: undefined,
    identity: undefined,
  };
  const words: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] as string;
    if (word === "--") {
      words.push(...argv.slice(index));
      break;
    }
    const [name = "", inline] = word.startsWith("--") ? splitAt(word) : [word];
    const boolean = BOOLEANS[word];
    const text = TEXTS[name];
    if (boolean) globals[boolean] = true;
    else if (text) globals[text] = inline ?? nextWord(argv, ++index, name);
    else words.push(word);
  }
  return { globals: globals as unknown as GlobalFlags, words };
}

function nextWord(argv: readonly string[], index: number, name: string): string {
  const word = argv[index];
  if (word === undefined || word.startsWith("--"))
    throw usageError(`${name} needs a value`, `Write ${name} VALUE`);
  return word;
}

function splitAt(word: string): [string, string | undefined] {
  const at = word.indexOf("=");
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}
