// Turns what the schema found wrong into sentences with a path, a line and the nearest valid name.
// It must never repeat a value from the file: a misplaced secret would end up in a log.
// Next: load.ts and edit.ts throw what is made here.

import type { z } from "zod";
import { OperonError } from "../error.ts";
import { placeOf } from "../policy/compiled_policy.ts";
import type { Locate } from "../policy/located_yaml.ts";
import { nearestName } from "../policy/nearest_name.ts";
import { configJsonSchema, keysAllowedAt } from "./json_schema.ts";
import type { SettingsSchemas } from "./schema.ts";

type Issue = z.core.$ZodIssue;

/** One thing wrong with a configuration. */
export interface ConfigProblem {
  /** `policy.principals.laptop.key` */
  readonly path: string;
  /** A sentence that names the path and the place. */
  readonly message: string;
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
}

const PROBLEMS_MAX = 50;

/** One error for everything wrong: its text is that of the first problem, all are in `data.problems`. */
export function configInvalid(
  error: z.ZodError,
  { locate, settings }: { readonly locate: Locate; readonly settings: SettingsSchemas },
): OperonError {
  const schema = configJsonSchema(settings);
  const issues = error.issues.flatMap((issue) => leaves(issue, []));
  const inOrder = (chosen: readonly Issue[]) =>
    chosen
      .flatMap((issue) => problemsOf(issue, { locate, schema }))
      .sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  // A misspelt key explains the missing one beside it, so it comes first.
  const problems = [
    ...inOrder(issues.filter(isUnknownKey)),
    ...inOrder(issues.filter((issue) => !isUnknownKey(issue))),
  ].slice(0, PROBLEMS_MAX);
  const [first] = problems;
  const more = problems.length - 1;
  return new OperonError({
    code: "config.invalid",
    kind: "failed_precondition",
    message: `${first?.message ?? "The configuration is wrong"}${more > 0 ? ` (and ${more} more)` : ""}`,
    hint: "Correct it there; operon config explain shows everything that is wrong",
    data: { problems },
  });
}

function isUnknownKey(issue: Issue): boolean {
  return issue.code === "unrecognized_keys";
}

interface Where {
  readonly locate: Locate;
  readonly schema: Readonly<Record<string, unknown>>;
}

function problemsOf(issue: Issue, where: Where): ConfigProblem[] {
  if (issue.code !== "unrecognized_keys") return [problem(issue.path, sentenceOf(issue), where)];
  const known = keysAllowedAt(where.schema, issue.path);
  return issue.keys.map((key) => {
    const nearest = nearestName(key, known);
    const advice = nearest === undefined ? listOf(known) : `did you mean ${nearest}?`;
    return problem([...issue.path, key], ["unknown key", advice], where);
  });
}

/** What is wrong, and what to do about it; the place goes between the two. */
type Sentence = readonly [what: string, advice: string];

function problem(
  path: readonly PropertyKey[],
  [what, advice]: Sentence,
  { locate }: Where,
): ConfigProblem {
  const at = locate(path) ?? {};
  const name = path.length === 0 ? "The configuration" : nameOf(path);
  const place = placeOf(at);
  return {
    path: nameOf(path),
    message: `${name}: ${what}${place === "" ? "" : ` at ${place}`}${advice === "" ? "" : `, ${advice}`}`,
    ...at,
  };
}

function sentenceOf(issue: Issue): Sentence {
  if (issue.path.length === 1 && issue.path[0] === "version") {
    return ["not a version this program reads", "write version: 1, or update operon"];
  }
  if (issue.code === "invalid_key") return ["bad name", issue.issues[0]?.message ?? ""];
  if (issue.code === "invalid_type" && /received undefined$/.test(issue.message)) {
    return ["missing", `it needs ${article(issue.expected)}`];
  }
  if (issue.code === "invalid_type")
    return ["wrong kind of value", `it needs ${article(issue.expected)}`];
  if (issue.code === "invalid_value") {
    return ["not a valid value", `write one of ${issue.values.map(String).join(", ")}`];
  }
  return ["not valid", lowerFirst(issue.message)];
}

/** A union's issues are those of the branch that fits best: the one with the fewest complaints. */
function leaves(issue: Issue, prefix: readonly PropertyKey[]): Issue[] {
  const path = [...prefix, ...issue.path];
  if (issue.code !== "invalid_union" || issue.errors.length === 0) return [{ ...issue, path }];
  const branches = issue.errors.map((branch) => branch.flatMap((inner) => leaves(inner, path)));
  return branches.reduce((best, branch) => (weight(branch) < weight(best) ? branch : best));
}

function weight(issues: readonly Issue[]): number {
  return issues.reduce(
    (sum, issue) => sum + (issue.code === "unrecognized_keys" ? issue.keys.length : 1),
    0,
  );
}

/** `policy.roles.operator[2].when` */
function nameOf(path: readonly PropertyKey[]): string {
  return path
    .map((step, index) => {
      if (typeof step === "number") return `[${step}]`;
      return `${index === 0 ? "" : "."}${printable(String(step))}`;
    })
    .join("");
}

/** Keys are shown, so what a terminal could obey in them is not. */
function printable(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, "?");
  return plain.length > 60 ? `${plain.slice(0, 60)}…` : plain;
}

function listOf(known: readonly string[]): string {
  return known.length === 0 ? "no keys are known here" : `known here: ${known.join(", ")}`;
}

function article(type: string): string {
  if (type === "object" || type === "record") return "a map of keys and values";
  if (type === "array") return "a list";
  return `a ${type}`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
