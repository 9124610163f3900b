// Words into JSON values, by a field's kind: `10` for an integer, `A=1` for a map, `[1]` for anything deeper.
// It must never round, trim or repair: what does not fit exactly is an error that says what would.
// Next: flags.ts says which kind a field has; the node checks the value against the whole schema.

import type { JsonSchema } from "../../contract/description.ts";
import type { CliArgument } from "../../contract/operation.ts";
import { suggest } from "../../policy/nearest_name.ts";
import { choicesOf, kindOf, propertiesOf } from "./flags.ts";
import { kebab } from "./grammar.ts";
import { shown } from "./scan.ts";
import { usageError } from "./usage_error.ts";
import type { Flag, FlagKind } from "./verb.ts";

/** What a flag was given, as its field takes it. @throws OperonError `cli.value_invalid` */
export function readFlag(flag: Flag, values: readonly string[]): unknown {
  const label = shown(flag);
  const item = { label, kind: flag.item ?? "string", choices: flag.choices };
  if (flag.kind === "list") return values.map((word) => readWord(word, item));
  if (flag.kind === "map") {
    const pairs = values.map((word) => pair(word, label));
    return Object.fromEntries(pairs.map(([name, word]) => [name, readWord(word, item)]));
  }
  return readWord(values[0]!, { ...item, kind: flag.kind });
}

/** A positional word, as its field takes it. @throws OperonError `cli.value_invalid` */
export function readArgument(input: JsonSchema, argument: CliArgument, word: string): unknown {
  const schema = propertiesOf(input)[argument.field] ?? {};
  const item = argument.variadic ? ((schema.items ?? {}) as JsonSchema) : schema;
  const kind = kindOf(item);
  return readWord(word, {
    label: kebab(argument.field),
    kind: kind === "map" || kind === "list" ? "json" : kind,
    choices: choicesOf(item),
  });
}

interface Expectation {
  readonly label: string;
  readonly kind: FlagKind;
  readonly choices: readonly string[] | undefined;
}

function readWord(word: string, { label, kind, choices }: Expectation): unknown {
  if (choices && !choices.includes(word)) {
    throw invalid(label, word, `one of ${choices.join(", ")}`, suggest(word, choices));
  }
  switch (kind) {
    case "boolean":
      if (word === "true" || word === "false") return word === "true";
      throw invalid(label, word, "true or false");
    case "integer": {
      const value = Number(word);
      if (/^-?\d+$/.test(word) && Number.isSafeInteger(value)) return value;
      throw invalid(label, word, "a whole number");
    }
    case "number": {
      const value = Number(word);
      if (/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(word) && Number.isFinite(value)) return value;
      throw invalid(label, word, "a number");
    }
    case "json":
      return readJson(word, label);
    default:
      return word;
  }
}

function readJson(word: string, label: string): unknown {
  try {
    return JSON.parse(word);
  } catch {
    throw invalid(label, word, "JSON", `For example ${label} '{"name": "value"}'`);
  }
}

function pair(word: string, label: string): [string, string] {
  const equals = word.indexOf("=");
  if (equals <= 0) throw invalid(label, word, "NAME=VALUE", `For example ${label} NAME=value`);
  return [word.slice(0, equals), word.slice(equals + 1)];
}

function invalid(label: string, word: string, expected: string, hint?: string) {
  const text = word.length > 80 ? `${word.slice(0, 80)}…` : word;
  return usageError("value_invalid", `${label} is ${JSON.stringify(text)}, not ${expected}`, hint);
}
