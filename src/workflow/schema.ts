// A workflow file: a name and steps, each one call to one node. This file reads it; it says nothing about what exists.
// It must never run anything or look at a node: a file that parses may still be refused by plan.ts.
// Next: plan.ts checks it against what operations there are, runner.ts runs it.

import { z } from "zod";
import { OperonError } from "../error.ts";
import { NAME_LENGTH_MAX } from "../limits.ts";
import { type Locate, locatedYaml } from "../policy/located_yaml.ts";
import { suggest } from "../policy/nearest_name.ts";

/** Steps one file may have. */
export const STEPS_MAX = 1_000;

const StepId = z
  .string()
  .max(NAME_LENGTH_MAX)
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, "use letters, digits, _ . -");

/** What the runner itself reads of a step; every other key is input of the step's action. */
const StepSchema = z.looseObject({
  id: StepId.optional(),
  node: z.string().min(1).max(NAME_LENGTH_MAX),
  action: z.string().regex(/^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$/, "name an operation, e.g. fs.read"),
  /** What the action receives: text, a list of values, or one reference to an earlier step's bytes. */
  content: z.union([z.string(), z.array(z.json())]).optional(),
  timeout_secs: z.number().positive().max(86_400).optional(),
  /** Exit codes that count as success, besides 0. */
  allow_exit: z.array(z.int().min(0).max(255)).max(256).optional(),
});

const WorkflowSchema = z.strictObject({
  name: z.string().min(1).max(200),
  description: z.string().max(4096).optional(),
  /** Values the file may use as `${{ inputs.NAME }}`; null must be given by whoever runs it. */
  inputs: z
    .record(
      z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/),
      z.union([z.string(), z.number(), z.boolean(), z.null()]),
    )
    .optional(),
  steps: z.array(StepSchema).min(1).max(STEPS_MAX),
});

/** A step as the file has it. */
export type WorkflowStep = z.output<typeof StepSchema>;
/** Keys of a step that are not input of its action. */
export const STEP_KEYS: readonly string[] = Object.keys(StepSchema.shape);

/** A workflow file as data, and where its values stand. */
export interface Workflow extends z.output<typeof WorkflowSchema> {
  readonly locate: Locate;
}

/**
 * Reads a workflow file (YAML or JSON).
 * @param file shown in errors; nothing is opened
 * @throws OperonError `workflow.file_invalid` with file and line of the first thing wrong
 */
export async function parseWorkflow(text: string, file?: string): Promise<Workflow> {
  const { value, locate } = await locatedYaml(text, file).catch((thrown) => {
    if (!(thrown instanceof OperonError)) throw thrown;
    throw new OperonError({ ...thrown.toDocument(), code: "workflow.file_invalid", cause: thrown });
  });
  const parsed = WorkflowSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw isUnknownKey(issue)
      ? unknownKey(issue, locate)
      : invalidAt(locate, issue.path, `${pathText(issue.path)}: ${issue.message}`);
  }
  return { ...parsed.data, locate };
}

/** An error about a place in a workflow file. */
export function invalidAt(
  locate: Locate,
  path: readonly PropertyKey[],
  text: string | { readonly message: string; readonly hint: string },
): OperonError {
  const { message, hint } = typeof text === "string" ? { message: text, hint: undefined } : text;
  const location = locate(path);
  const place = [location?.file, location?.line].filter((part) => part !== undefined).join(":");
  return new OperonError({
    code: "workflow.file_invalid",
    kind: "invalid_argument",
    message: place === "" ? message : `${place}: ${message}`,
    hint: hint ?? "Correct the workflow file there; nothing has been run",
    ...(location === undefined ? {} : { data: { ...location } }),
  });
}

type Issue = z.core.$ZodIssue;

function isUnknownKey(issue: Issue): issue is z.core.$ZodIssueUnrecognizedKeys {
  return issue.code === "unrecognized_keys";
}

function unknownKey(issue: z.core.$ZodIssueUnrecognizedKeys, locate: Locate): OperonError {
  const key = issue.keys[0]!;
  return invalidAt(locate, [...issue.path, key], {
    message: `Unknown key ${key}`,
    hint: suggest(key, Object.keys(WorkflowSchema.shape)),
  });
}

function pathText(path: readonly PropertyKey[]): string {
  return path.length === 0 ? "The file" : path.map(String).join(".");
}
