// References of a workflow: `${{ steps.ID.output.FIELD }}`, `${{ steps.ID.stdout }}`, `${{ inputs.NAME }}`.
// A reference must never become shell text or reach beyond what a step returned: own fields only, no code.
// Next: plan.ts finds them before anything runs, runner.ts fills them in.

/** What a reference names. */
export type Reference =
  | { readonly kind: "input"; readonly name: string }
  /** `field` is `output`, or a stream of the step: `stdout`, `stderr`, `content`, `items`. */
  | {
      readonly kind: "step";
      readonly step: string;
      readonly field: string;
      readonly path: readonly string[];
    };

/** A text split at its references. */
export type TemplatePart = string | { readonly source: string };

/**
 * Splits a text at `${{ … }}`; `$${{` stands for itself.
 * @returns `undefined` when a reference is not closed
 */
export function splitTemplate(text: string): readonly TemplatePart[] | undefined {
  const parts: TemplatePart[] = [];
  let literal = "";
  for (let at = 0; ; ) {
    const start = text.indexOf("${{", at);
    if (start === -1) {
      literal += text.slice(at);
      break;
    }
    if (start > at && text[start - 1] === "$") {
      literal += `${text.slice(at, start - 1)}\${{`;
      at = start + 3;
      continue;
    }
    const end = text.indexOf("}}", start + 3);
    if (end === -1) return;
    literal += text.slice(at, start);
    if (literal !== "") parts.push(literal);
    literal = "";
    parts.push({ source: text.slice(start + 3, end).trim() });
    at = end + 2;
  }
  if (literal !== "") parts.push(literal);
  return parts;
}

/**
 * Reads what stands between `${{` and `}}`.
 * @param stepIds ids a reference may name; they may hold dots
 */
export function parseReference(source: string, stepIds: readonly string[]): Reference | undefined {
  const input = /^inputs\.([A-Za-z_][A-Za-z0-9_]*)$/.exec(source);
  if (input) return { kind: "input", name: input[1]! };
  if (!source.startsWith("steps.")) return;
  const rest = source.slice("steps.".length);
  const step = stepIds
    .filter((id) => rest.startsWith(`${id}.`))
    .sort((a, b) => b.length - a.length)[0];
  if (step === undefined) return;
  const [field, ...path] = rest.slice(step.length + 1).split(".");
  if (!field || !/^[a-z_]+$/.test(field) || path.some((key) => key === "")) return;
  if (field !== "output" && path.length > 0) return;
  return { kind: "step", step, field, path };
}

/** Replaces every string of a value by what `fill` makes of it. */
export function mapStrings(value: unknown, fill: (text: string) => unknown): unknown {
  if (typeof value === "string") return fill(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, fill));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, mapStrings(item, fill)]),
  );
}

/** Looks a path up in a value: own fields and list positions only. */
export function lookUp(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const key of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}
