// How a person reads results: tables, fields, lines. Nothing here reaches `--json`.
// It must never print a control character a peer sent.
// Next: contract/operation.ts says which view an operation has; run_operation.ts picks text or JSON.

import type { View } from "../../contract/operation.ts";
import { escapeText } from "./escape.ts";

const GAP = 2;
const CELL_WIDTH_MIN = 8;

/** Text of a unary output. */
export function renderOutput(output: unknown, view: View | undefined, columns: number): string {
  switch (view?.kind) {
    case "none":
    case "bytes":
      return "";
    case "line":
      return `${fillTemplate(view.template, output)}\n`;
    case "table": {
      const rows =
        view.rows === undefined ? [output] : (fieldOf(output, view.rows) as unknown[] | undefined);
      return renderTable(rows ?? [], view.columns, columns);
    }
    default:
      return renderFields(output, view?.fields);
  }
}

/** A table with a heading; the widest columns give way when it is wider than the terminal. */
export function renderTable(
  rows: readonly unknown[],
  names: readonly string[],
  columns: number,
): string {
  if (rows.length === 0) return "";
  const heading = names.map((name) => name.split(".").at(-1)?.replaceAll("_", " ") ?? name);
  const cells = rows.map((row) => names.map((name) => cellText(fieldOf(row, name))));
  const widths = fitWidths([heading, ...cells], columns);
  return [heading.map((text) => text.toUpperCase()), ...cells]
    .map((line) => `${tableLine(line, widths)}\n`)
    .join("");
}

/** One streamed value as a table row of fixed layout; `undefined` starts with the heading. */
export class StreamTable {
  readonly #names: readonly string[];
  readonly #columns: number;
  #widths: readonly number[] | undefined;
  #waiting: unknown[] = [];

  constructor(names: readonly string[], columns: number) {
    this.#names = names;
    this.#columns = columns;
  }

  /** Text to print now: the first rows decide the widths, so they wait for each other. */
  add(row: unknown): string {
    if (this.#widths) return `${tableLine(this.#cells(row), this.#widths)}\n`;
    this.#waiting.push(row);
    return this.#waiting.length >= 100 ? this.end() : "";
  }

  /** What is still waiting. */
  end(): string {
    if (this.#widths) return "";
    const rows = this.#waiting;
    this.#waiting = [];
    if (rows.length === 0) return "";
    const heading = this.#names.map((name) =>
      (name.split(".").at(-1) ?? name).replaceAll("_", " "),
    );
    this.#widths = fitWidths([heading, ...rows.map((row) => this.#cells(row))], this.#columns);
    return renderTable(rows, this.#names, this.#columns);
  }

  #cells(row: unknown): string[] {
    return this.#names.map((name) => cellText(fieldOf(row, name)));
  }
}

/** `name: value` lines, nested ones indented. */
export function renderFields(output: unknown, fields?: readonly string[]): string {
  if (fields) {
    const shown = fields
      .map((field) => [field, fieldOf(output, field)] as const)
      .filter(([, value]) => value !== undefined);
    const width = Math.max(0, ...shown.map(([field]) => label(field).length));
    return shown
      .map(([field, value]) => `${label(field).padEnd(width)}  ${cellText(value)}\n`)
      .join("");
  }
  return renderTree(output, "");
}

/** `{field}` of the output in a template. */
export function fillTemplate(template: string, output: unknown): string {
  return template.replace(/\{([a-z0-9_.]+)\}/g, (_match, field: string) =>
    cellText(fieldOf(output, field)),
  );
}

function label(field: string): string {
  return (field.split(".").at(-1) ?? field).replaceAll("_", " ");
}

function renderTree(value: unknown, indent: string): string {
  if (!isObject(value)) return `${indent}${cellText(value)}\n`;
  const entries = Object.entries(value);
  const width = Math.max(
    0,
    ...entries.filter(([, item]) => !isNested(item)).map(([key]) => key.length),
  );
  return entries
    .map(([key, item]) => {
      const name = escapeText(key).replaceAll("_", " ");
      if (!isNested(item)) return `${indent}${name.padEnd(width)}  ${cellText(item)}\n`;
      if (Array.isArray(item))
        return `${indent}${name}:\n${item.map((one) => listItem(one, indent)).join("")}`;
      return `${indent}${name}:\n${renderTree(item, `${indent}  `)}`;
    })
    .join("");
}

function listItem(item: unknown, indent: string): string {
  const [first = "", ...others] = renderTree(item, "").trimEnd().split("\n");
  return [`${indent}- ${first}`, ...others.map((line) => `${indent}  ${line}`)]
    .map((line) => `${line}\n`)
    .join("");
}

function isNested(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(isObject);
  return isObject(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fieldOf(value: unknown, field: string): unknown {
  let current = value;
  for (const step of field.split(".")) current = isObject(current) ? current[step] : undefined;
  return current;
}

function cellText(value: unknown): string {
  if (value === undefined || value === null) return "-";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value) && value.every((item) => !isObject(item)))
    return value.map(cellText).join(", ") || "-";
  return escapeText(typeof value === "object" ? JSON.stringify(value) : String(value));
}

function fitWidths(lines: readonly (readonly string[])[], columns: number): number[] {
  const widths = (lines[0] ?? []).map((_cell, column) =>
    Math.max(...lines.map((line) => width(line[column] ?? ""))),
  );
  const room = columns - GAP * (widths.length - 1);
  let surplus = widths.reduce((sum, one) => sum + one, 0) - room;
  while (surplus > 0) {
    const widest = widths.indexOf(Math.max(...widths));
    if ((widths[widest] as number) <= CELL_WIDTH_MIN) break;
    widths[widest] = (widths[widest] as number) - 1;
    surplus--;
  }
  return widths;
}

function tableLine(cells: readonly string[], widths: readonly number[]): string {
  const last = cells.length - 1;
  return cells
    .map((cell, column) => {
      const most = widths[column] as number;
      const text = width(cell) > most ? `${cell.slice(0, Math.max(1, most - 1))}…` : cell;
      return column === last ? text : text + " ".repeat(Math.max(0, most - width(text)));
    })
    .join(" ".repeat(GAP))
    .trimEnd();
}

function width(text: string): number {
  return text.length < 200 ? Bun.stringWidth(text) : text.length;
}
