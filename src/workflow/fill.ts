import { OperonError } from "../error.ts";
import { decodeText } from "../trace/excerpt.ts";
import { lookUp, mapStrings, parseReference, splitTemplate } from "./reference.ts";
import type { StepStreams } from "./step_streams.ts";

/** What an earlier step left behind. */
export interface StepResult {
  readonly output: unknown;
  readonly streams: StepStreams;
}

/** What references can name while a plan runs. */
export interface Results {
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly steps: ReadonlyMap<string, StepResult>;
}

/**
 * Fills the references in a value. A text that is one reference becomes what it names (bytes only where `keepBytes`);
 * elsewhere it becomes text.
 * @throws OperonError `workflow.reference_empty`, `workflow.reference_unusable`
 */
export function fill(
  value: unknown,
  results: Results,
  options: { readonly keepBytes?: boolean } = {},
): unknown {
  return mapStrings(value, (text) => {
    const parts = splitTemplate(text) ?? [text];
    const only = parts.length === 1 ? parts[0]! : undefined;
    if (only !== undefined && typeof only !== "string") {
      const named = resolve(only.source, results);
      if (!(named instanceof Uint8Array)) return named;
      return options.keepBytes ? named : toText(named, only.source);
    }
    return parts
      .map((part) =>
        typeof part === "string" ? part : toText(resolve(part.source, results), part.source),
      )
      .join("");
  });
}

function resolve(source: string, { inputs, steps }: Results): unknown {
  const reference = parseReference(source, [...steps.keys()]);
  if (reference?.kind === "input") return inputs[reference.name];
  const step = reference && steps.get(reference.step);
  if (!step) throw unusable(source, "names no step that has run");
  if (reference.field !== "output") {
    const stream = step.streams.whole(reference.field);
    if (stream === undefined)
      throw unusable(source, "names more output than a reference can carry");
    // As a shell does in $( ): a command's last line feeds are not part of what it says.
    return reference.field === "content" || !(stream instanceof Uint8Array)
      ? stream
      : withoutLastLineFeeds(stream);
  }
  const found = lookUp(step.output, reference.path);
  if (found !== undefined) return found;
  throw new OperonError({
    code: "workflow.reference_empty",
    kind: "failed_precondition",
    message: `The reference \${{ ${source} }} names something the step did not return`,
    hint: "Look at the step's output with operon trace show",
  });
}

function toText(value: unknown, source: string): string {
  if (value instanceof Uint8Array) {
    const text = decodeText(value);
    if (text === undefined) throw unusable(source, "names bytes that are not UTF-8 text");
    return text;
  }
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw unusable(source, "names no plain value and cannot be part of a text");
}

function withoutLastLineFeeds(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 10) end--;
  return bytes.subarray(0, end);
}

function unusable(source: string, why: string): OperonError {
  return new OperonError({
    code: "workflow.reference_unusable",
    kind: "failed_precondition",
    message: `The reference \${{ ${source} }} ${why}`,
    hint: "Write it to a file on the node and pass the file on",
  });
}
