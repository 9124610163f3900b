import type { Span, TraceDocument } from "./document.ts";

/** Narrowest view; a terminal that says less gets this. */
const WIDTH_MIN = 40;
/** Deepest indentation shown. */
const DEPTH_MAX = 8;
const MARKS = { ok: "✓", error: "✗", skipped: "-" } as const;

/**
 * A trace as text for people: one line a span with its node, verdict, duration and a bar that shows when it ran;
 * errors below. No line is wider than `width` columns, and nothing in it can steer a terminal.
 */
export function renderTrace(document: TraceDocument, width: number): string {
  const columns = Number.isFinite(width) ? Math.max(WIDTH_MIN, Math.floor(width)) : WIDTH_MIN;
  const { name, status, start, duration_ms, trace_id, run_id } = document;
  const head = [
    `${MARKS[status] ?? "?"} ${safeText(name)}  ${durationText(duration_ms)}`,
    `  trace ${safeText(trace_id)}`,
    `  run ${safeText(run_id ?? "")}  ${safeText(start)}`,
  ];
  const rows = treeOf(document).map((row) => rowOf(row, document));
  const body = layOut(rows, columns);
  return [...head.map((line) => fit(line, columns)), ...body].join("\n");
}

interface TreeRow {
  readonly span: Span;
  readonly depth: number;
}

/** Spans below the root, children after their parent; those without a known parent come last. */
function treeOf({ spans }: TraceDocument): TreeRow[] {
  const children = new Map<string | undefined, Span[]>();
  const known = new Set(spans.map((span) => span.span_id));
  for (const span of spans) {
    const parent = known.has(span.parent_span_id ?? "") ? span.parent_span_id : undefined;
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const rows: TreeRow[] = [];
  const seen = new Set<Span>();
  const walk = (parent: string | undefined, depth: number) => {
    for (const span of children.get(parent) ?? []) {
      if (seen.has(span)) continue;
      seen.add(span);
      const isRoot = span.operation === undefined && depth === 0;
      if (!isRoot) rows.push({ span, depth });
      if (depth < DEPTH_MAX) walk(span.span_id, isRoot ? depth : depth + 1);
    }
  };
  walk(undefined, 0);
  for (const span of spans) if (!seen.has(span)) rows.push({ span, depth: 0 });
  return rows;
}

interface Row {
  readonly cells: readonly string[];
  /** Fractions of the whole run, 0 to 1. */
  readonly from: number;
  readonly to: number;
  readonly notes: readonly string[];
}

function rowOf({ span, depth }: TreeRow, document: TraceDocument): Row {
  const totalMs = Math.max(document.duration_ms, 0.001);
  const offsetMs = Date.parse(span.start) - Date.parse(document.start);
  const from = clamp(offsetMs / totalMs);
  const indent = "  ".repeat(depth);
  const notes: string[] = [];
  if (span.error) {
    notes.push(`${indent}    ${safeText(span.error.code)}: ${safeText(span.error.message)}`);
    if (span.error.hint) notes.push(`${indent}    ${safeText(span.error.hint)}`);
    const stderr = span.logs?.stderr;
    if (stderr?.encoding === "utf8") notes.push(...lastLines(stderr.tail, `${indent}    | `));
  }
  const { verdict, reason } = span.decision ?? {};
  const decided =
    verdict === undefined || verdict === "allow" ? (verdict ?? "") : `${verdict} (${reason})`;
  return {
    cells: [
      `${indent}${MARKS[span.status] ?? "?"} ${safeText(span.name)}`,
      safeText(span.node ?? ""),
      safeText(span.operation ?? ""),
      safeText(decided),
      span.status === "skipped" ? "skipped" : durationText(span.duration_ms),
    ],
    from,
    to: clamp(from + span.duration_ms / totalMs),
    notes,
  };
}

const BAR_COLUMNS_MIN = 8;
const BAR_COLUMNS_MAX = 30;

function layOut(rows: readonly Row[], columns: number): string[] {
  const widths = [0, 1, 2, 3, 4].map((cell) =>
    Math.max(0, ...rows.map((row) => Bun.stringWidth(row.cells[cell]!))),
  );
  // What does not fit is taken from the widest column, again and again.
  const room = columns - 2 * widths.length;
  while (widths.reduce((sum, one) => sum + one, 0) > room) {
    const widest = widths.indexOf(Math.max(...widths));
    widths[widest] = widths[widest]! - 1;
  }
  const used = widths.reduce((sum, one) => sum + one + 2, 0);
  const bar = Math.min(BAR_COLUMNS_MAX, columns - used);
  return rows.flatMap((row) => {
    const cells = row.cells.map((cell, index) => pad(cell, widths[index]!));
    const tail = bar < BAR_COLUMNS_MIN ? "" : barOf(row, bar);
    return [
      fit(`${cells.join("  ")}  ${tail}`.trimEnd(), columns),
      ...row.notes.map((note) => fit(note, columns)),
    ];
  });
}

function barOf({ from, to, cells }: Row, columns: number): string {
  if (cells.at(-1) === "skipped") return "";
  const start = Math.min(columns - 1, Math.floor(from * columns));
  const length = Math.max(1, Math.round((to - from) * columns));
  return `${" ".repeat(start)}${"█".repeat(Math.min(length, columns - start))}`;
}

function lastLines(text: string, indent: string): string[] {
  const lines = text.trimEnd().split("\n").slice(-5);
  return lines.filter((line) => line !== "").map((line) => `${indent}${safeText(line)}`);
}

function clamp(fraction: number): number {
  return Number.isFinite(fraction) ? Math.min(1, Math.max(0, fraction)) : 0;
}

function pad(text: string, columns: number): string {
  const fitted = fit(text, columns);
  return fitted + " ".repeat(Math.max(0, columns - Bun.stringWidth(fitted)));
}

function fit(text: string, columns: number): string {
  if (Bun.stringWidth(text) <= columns) return text;
  let kept = "";
  let used = 1;
  for (const character of text) {
    used += Bun.stringWidth(character);
    if (used > columns) break;
    kept += character;
  }
  return columns > 0 ? `${kept}…` : "";
}

// Control characters, and what reorders, hides or splits the text around it.
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Text a hostile peer chose, made harmless for a terminal: control characters become `\u{…}`. */
export function safeText(text: unknown): string {
  return String(text).replace(UNSAFE, (character) => {
    const code = character.codePointAt(0)!;
    if (code === 10) return "\\n";
    if (code === 9) return " ";
    return `\\u{${code.toString(16)}}`;
  });
}

function durationText(ms: number): string {
  if (!Number.isFinite(ms)) return "?";
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 1_000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`;
}
