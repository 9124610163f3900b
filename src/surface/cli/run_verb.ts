import cac from "cac";
import { suggest } from "../../policy/nearest_name.ts";
import type { CliContext, GlobalFlags, HandWrittenVerb } from "./context.ts";
import { usageError } from "./usage_error.ts";

/** Runs a hand-written verb with its words. Returns the exit code. @throws OperonError */
export async function runVerb(
  verb: HandWrittenVerb,
  words: readonly string[],
  { context, globals }: { context: CliContext; globals: GlobalFlags },
): Promise<number> {
  const cli = cac(verb.words.join(" "));
  const parser = cli.command("[...words]", "").allowUnknownOptions();
  for (const { name, kind } of verb.flags) {
    if (kind === "boolean") parser.option(`--${name}`, "");
    else parser.option(`--${name} <value>`, "", { type: [String] });
  }
  const parsed = cli.parse(["", "", ...words], { run: false });
  const flags: Record<string, string | boolean | undefined> = {};
  const usage = `Usage: ${["operon", ...verb.words, verb.args].join(" ").trim()}`;
  for (const [property, value] of Object.entries(parsed.options as Record<string, unknown>)) {
    if (property === "--" || value === undefined) continue;
    const flag = verb.flags.find(({ name }) => camelCase(name) === property);
    if (!flag)
      throw usageError(
        `${verb.words.join(" ")} has no flag --${property}`,
        verb.flags.length > 0
          ? suggest(
              `--${property}`,
              verb.flags.map(({ name }) => `--${name}`),
            )
          : usage,
      );
    if (flag.kind === "boolean") flags[flag.name] = value === true;
    else {
      const [text, ...more] = value as string[];
      if (text === undefined || text === "undefined") continue;
      if (more.length > 0) throw usageError(`--${flag.name} is given twice`, "Give it once");
      if (text === "true" && !words.includes("true") && !words.includes(`--${flag.name}=true`))
        throw usageError(`--${flag.name} needs a value`, `Write --${flag.name} VALUE`);
      flags[flag.name] = text;
    }
  }
  if (parsed.args.length > verb.maxPositionals)
    throw usageError(`"${parsed.args[verb.maxPositionals]}" is one word too many`, usage);
  return verb.run({ positionals: [...parsed.args], flags, globals, context });
}

function camelCase(name: string): string {
  return name.replace(/-([a-zA-Z0-9])/g, (_match, letter: string) => letter.toUpperCase());
}
