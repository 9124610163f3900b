// How a person reads results: tables, fields, lines. Nothing here reaches `--json`.
// It must never print a character a terminal would obey: every text from a node is escaped.
// Next: contract/operation.ts says which view an operation has; table.ts lays tables out.

import type { View } from "../../contract/operation.ts";
import type { TraceDocument } from "../../trace/document.ts";
import { renderTrace } from "../../trace/view.ts";
import { escapeText } from "./escape.ts";
import { Table, type TableLayout } from "./table.ts";

/** Width of a trace where there is no terminal to fit. */
const TRACE_COLUMNS = 100;

/** Text of one output. `layout` says how wide it may be and whether tables have headings. */
export function renderOutput(
  output: unknown,
  view: View = { kind: "fields" },
  layout: Pick<TableLayout, "columns" | "hasHeading">,
): string {
  switch (view.kind) {
    case "none":
    case "bytes":
    case "output":
      return "";
    case "line":
      return `${fillTemplate(view.template, output)}\n`;
    case "trace": {
      const width = Number.isFinite(layout.columns) ? layout.columns : TRACE_COLUMNS;
      return `${renderTrace(output as TraceDocument, width)}\n`;
    }
    case "fields":
      return renderFields(output, view.fields);
    case "table": {
      const rows = view.rows === undefined ? [output] : fieldOf(output, view.rows);
      const table = new Table({ ...layout, heading: headingOf(view.columns), isLive: false });
      const lines = (Array.isArray(rows) ? rows : []).map((row) =>
        table.add(rowOf(row, view.columns)),
      );
      return lines.join("") + table.finish();
    }
  }
}

/** The headings of a table's columns. */
export function headingOf(columns: readonly string[]): readonly string[] {
  return columns.map((column) => labelOf(column).toUpperCase());
}

/** A value's cells. */
export function rowOf(value: unknown, columns: readonly string[]): readonly string[] {
  return columns.map((column) => cellText(fieldOf(value, column)));
}

/** A template with each `{field}` replaced. */
export function fillTemplate(template: string, output: unknown): string {
  return template.replace(/\{([A-Za-z0-9_.]+)\}/g, (_match, field: string) =>
    cellText(fieldOf(output, field)),
  );
}

/** `name  value` lines, deeper values indented below their name. */
function renderFields(output: unknown, fields?: readonly string[]): string {
  if (!fields) return treeLines(output).join("");
  const shown = fields.flatMap((field) => {
    const value = fieldOf(output, field);
    return value === undefined ? [] : [[labelOf(field), value] as const];
  });
  return pairLines(shown).join("");
}

function treeLines(value: unknown): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((item) => {
      const [first = "", ...others] = treeLines(item);
      return [`- ${first}`, ...others.map((line) => `  ${line}`)];
    });
  }
  if (!isObject(value)) return [`${cellText(value)}\n`];
  return pairLines(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([name, item]) => [escapeText(name).replaceAll("_", " "), item] as const),
  );
}

function pairLines(pairs: readonly (readonly [label: string, value: unknown])[]): string[] {
  const inline = pairs.filter(([, value]) => isInline(value));
  const width = Math.max(0, ...inline.map(([label]) => label.length));
  return pairs.flatMap(([label, value]) => {
    if (isInline(value)) return [`${label.padEnd(width)}  ${cellText(value)}\n`];
    const below =
      typeof value === "string"
        ? value.split("\n").map((line) => `${escapeText(line)}\n`)
        : treeLines(value);
    return [`${label}:\n`, ...below.map((line) => `  ${line}`)];
  });
}

/** Whether a value stands beside its name: not for objects, lists of them, and texts of several lines. */
function isInline(value: unknown): boolean {
  if (typeof value === "string") return !value.trimEnd().includes("\n");
  if (Array.isArray(value)) return !value.some((item) => typeof item === "object" && item !== null);
  return !isObject(value) || Object.keys(value).length === 0;
}

function cellText(value: unknown): string {
  if (value === undefined || value === null || value === "") return "-";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value) && value.every((item) => typeof item !== "object")) {
    return value.map(cellText).join(", ") || "-";
  }
  return escapeText(typeof value === "object" ? JSON.stringify(value) : String(value));
}

function labelOf(field: string): string {
  return (field.split(".").at(-1) ?? field).replaceAll("_", " ");
}

function fieldOf(value: unknown, field: string): unknown {
  let current = value;
  for (const step of field.split(".")) {
    current = isObject(current) && Object.hasOwn(current, step) ? current[step] : undefined;
  }
  return current;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
