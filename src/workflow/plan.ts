import type { OperationDescription } from "../contract/description.ts";
import { suggest } from "../policy/nearest_name.ts";
import { mapStrings, parseReference, type Reference, splitTemplate } from "./reference.ts";
import { invalidAt, STEP_KEYS, type Workflow, type WorkflowStep } from "./schema.ts";

/** A call to make; strings of `input` and `content` may hold references. */
export interface PlannedStep {
  readonly id: string;
  readonly node: string;
  readonly operation: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly content?: string | readonly unknown[];
  readonly timeout_ms?: number;
  readonly allow_exit: readonly number[];
  /** Earlier steps whose results it uses. */
  readonly needs: readonly string[];
}

/** A workflow that was checked and can be run: a list of vertices, each after those it needs. */
export interface WorkflowPlan {
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly steps: readonly PlannedStep[];
}

/** Finds an operation by id; what is not found is left for the serving node to refuse. */
export type Describe = (operationId: string) => OperationDescription | undefined;

/**
 * Checks a workflow against the operations there are, before anything runs.
 * @throws OperonError `workflow.file_invalid` with the line
 */
export function planWorkflow(
  workflow: Workflow,
  options: {
    readonly describe: Describe;
    /** Ids offered when an action is unknown. */
    readonly operationIds?: readonly string[];
    readonly inputs?: Readonly<Record<string, unknown>>;
  },
): WorkflowPlan {
  const inputs = planInputs(workflow, options.inputs ?? {});
  const steps: PlannedStep[] = [];
  const described = new Map<string, OperationDescription>();
  for (const [index, step] of workflow.steps.entries()) {
    const id = step.id ?? `step-${index + 1}`;
    const at = ["steps", index];
    if (described.has(id)) {
      throw invalidAt(workflow.locate, [...at, "id"], `Two steps have the id ${id}`);
    }
    const operation = options.describe(step.action);
    if (!operation) {
      throw invalidAt(workflow.locate, [...at, "action"], {
        message: `Unknown action ${step.action}`,
        hint: suggest(step.action, options.operationIds ?? []),
      });
    }
    const planned = planStep({ step, id, operation }, { workflow, at, inputs, described });
    described.set(id, operation);
    steps.push(planned);
  }
  return { name: workflow.name, inputs, steps };
}

function planInputs(
  workflow: Workflow,
  given: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const declared = workflow.inputs ?? {};
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(declared, name)) continue;
    throw invalidAt(workflow.locate, ["inputs"], {
      message: `The workflow has no input ${name}`,
      hint: suggest(name, Object.keys(declared)),
    });
  }
  const inputs = { ...declared };
  for (const [name, value] of Object.entries(given)) {
    const typed = asDeclared(value, declared[name]);
    if (typed !== undefined) {
      inputs[name] = typed;
      continue;
    }
    throw invalidAt(
      workflow.locate,
      ["inputs", name],
      `The input ${name} must be a ${typeof declared[name]}`,
    );
  }
  for (const [name, value] of Object.entries(inputs)) {
    if (value !== null && value !== undefined) continue;
    throw invalidAt(workflow.locate, ["inputs", name], {
      message: `The input ${name} has no value`,
      hint: `Give one with --input ${name}=VALUE`,
    });
  }
  return inputs;
}

type InputValue = string | number | boolean | null;

/** A given value as the type of the declared one: a command line knows only texts. `undefined` when it has no such form. */
function asDeclared(value: unknown, declared: InputValue | undefined): InputValue | undefined {
  if (declared === null || typeof value === typeof declared) return value as InputValue;
  if (typeof declared === "string") return String(value);
  if (typeof declared === "boolean")
    return value === "true" || (value === "false" ? false : undefined);
  const number = String(value).trim() === "" ? Number.NaN : Number(value);
  return Number.isFinite(number) ? number : undefined;
}

interface StepContext {
  readonly workflow: Workflow;
  readonly at: readonly PropertyKey[];
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Steps before this one. */
  readonly described: ReadonlyMap<string, OperationDescription>;
}

interface NamedStep {
  readonly step: WorkflowStep;
  readonly id: string;
  readonly operation: OperationDescription;
}

function planStep({ step, id, operation }: NamedStep, context: StepContext): PlannedStep {
  const { workflow, at } = context;
  const input = stepInput(step, operation);
  checkFields(input, operation, context);
  const takesContent = Object.hasOwn(propertiesOf(operation.input), "content");
  if (step.content !== undefined && !takesContent && !operation.receives) {
    throw invalidAt(workflow.locate, [...at, "content"], `${operation.id} takes no content`);
  }
  const needs = new Set<string>();
  const check = (key: string) => (text: string) => {
    for (const reference of referencesIn(text, [...at, key], context)) {
      if (reference.kind === "step") needs.add(reference.step);
      if (key !== operation.cli.rest?.shell) continue;
      throw invalidAt(workflow.locate, [...at, key], {
        message: "A reference inside a shell command could run what an earlier step printed",
        hint: `Write the command as a list of words: ${key}: [program, "\${{ … }}"]`,
      });
    }
    return text;
  };
  for (const [key, value] of Object.entries(input)) mapStrings(value, check(key));
  mapStrings(step.content, check("content"));
  const isOwnTimeout = !Object.hasOwn(input, "timeout_secs") && step.timeout_secs !== undefined;
  return {
    id,
    node: step.node,
    operation: operation.id,
    input: takesContent && step.content !== undefined ? { ...input, content: step.content } : input,
    ...(step.content === undefined || takesContent ? {} : { content: step.content }),
    ...(isOwnTimeout ? { timeout_ms: step.timeout_secs! * 1000 } : {}),
    allow_exit: step.allow_exit ?? [],
    needs: [...needs],
  };
}

/** What of a step goes to its action. A command given as a list is the words of a program, not a line for the shell. */
function stepInput(
  step: WorkflowStep,
  operation: OperationDescription,
): Readonly<Record<string, unknown>> {
  const properties = propertiesOf(operation.input);
  const rest = operation.cli.rest;
  const input: [string, unknown][] = [];
  for (const [key, value] of Object.entries(step)) {
    const isOwn = STEP_KEYS.includes(key);
    if (isOwn && !(key === "timeout_secs" && Object.hasOwn(properties, key))) continue;
    if (value === undefined) continue;
    const isCommand = rest && (key === rest.shell || key === "command");
    if (isCommand && Array.isArray(value)) input.push([rest.argv, value]);
    else if (isCommand && !Object.hasOwn(properties, key)) input.push([rest.shell, value]);
    else input.push([key, value]);
  }
  return Object.fromEntries(input);
}

function checkFields(
  input: Readonly<Record<string, unknown>>,
  operation: OperationDescription,
  { workflow, at }: StepContext,
): void {
  const properties = propertiesOf(operation.input);
  const names = Object.keys(properties);
  for (const [key, value] of Object.entries(input)) {
    if (!Object.hasOwn(properties, key)) {
      throw invalidAt(workflow.locate, [...at, key], {
        message: `${operation.id} has no ${key}`,
        hint: suggest(key, [...names, ...STEP_KEYS]),
      });
    }
    const wanted = lacksType(value, properties[key]);
    if (wanted === undefined) continue;
    throw invalidAt(workflow.locate, [...at, key], `${key} of ${operation.id} must be ${wanted}`);
  }
  const required = operation.input.required;
  for (const key of Array.isArray(required) ? required : []) {
    if (Object.hasOwn(input, key) || key === "content") continue;
    throw invalidAt(workflow.locate, at, `${operation.id} needs ${key}`);
  }
}

function propertiesOf(schema: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { properties } = schema;
  return typeof properties === "object" && properties !== null ? { ...properties } : {};
}

/** The JSON type a literal should have but has not; only what is plain is judged here, the node checks the rest. */
function lacksType(value: unknown, schema: unknown): string | undefined {
  const type = (schema as { readonly type?: unknown } | undefined)?.type;
  if (typeof type !== "string") return;
  if (typeof value === "string" && value.includes("${{")) return;
  const is: Readonly<Record<string, boolean>> = {
    string: typeof value === "string",
    number: typeof value === "number",
    integer: Number.isInteger(value),
    boolean: typeof value === "boolean",
    array: Array.isArray(value),
    object: typeof value === "object" && value !== null && !Array.isArray(value),
  };
  return is[type] === false ? `${/^[aeiou]/.test(type) ? "an" : "a"} ${type}` : undefined;
}

function referencesIn(
  text: string,
  path: readonly PropertyKey[],
  context: StepContext,
): readonly Reference[] {
  const { locate } = context.workflow;
  const parts = splitTemplate(text);
  if (!parts) throw invalidAt(locate, path, "A reference is opened with ${{ and not closed");
  const found: Reference[] = [];
  for (const part of parts) {
    if (typeof part === "string") continue;
    const reference = parseReference(part.source, [...context.described.keys()]);
    const problem = reference ? referenceProblem(reference, context) : "names no earlier step";
    if (problem !== undefined || !reference) {
      throw invalidAt(locate, path, {
        message: `The reference \${{ ${part.source} }} ${problem}`,
        hint: REFERENCE_HINT,
      });
    }
    found.push(reference);
  }
  return found;
}

const REFERENCE_HINT = `Use ${["steps.ID.output.FIELD", "steps.ID.stdout", "inputs.NAME"]
  .map((form) => `\${{ ${form} }}`)
  .join(", ")}; a dollar sign before one keeps it as it is`;

function referenceProblem(reference: Reference, context: StepContext): string | undefined {
  if (reference.kind === "input") {
    const names = Object.keys(context.inputs);
    return names.includes(reference.name) ? undefined : "names no input of this workflow";
  }
  const { id, output, sends } = context.described.get(reference.step)!;
  if (reference.field === "output") {
    const properties = propertiesOf(output);
    const field = reference.path[0];
    if (field === undefined || Object.keys(properties).length === 0) return;
    if (Object.hasOwn(properties, field)) return;
    return `names a field ${id} does not return. ${suggest(field, Object.keys(properties))}`;
  }
  const streams = streamNames(sends);
  if (streams.includes(reference.field)) return;
  return `names a stream ${id} does not have. ${suggest(reference.field, ["output", ...streams])}`;
}

/** Names by which the streams of an operation are known to references and traces. */
export function streamNames(sends: OperationDescription["sends"]): readonly string[] {
  if (!sends) return [];
  if (sends.kind === "values") return ["items"];
  return sends.channels.length === 0 ? ["content"] : sends.channels;
}
