// Tables of text: columns as wide as they need to be, narrower where the terminal ends.
// It must never let a cell steer the terminal or run over its line: cells are escaped before they get here.
// Next: render.ts makes the cells.

const GAP = "  ";
const COLUMN_CELLS_MIN = 8;
/** Rows that wait for each other so that columns fit them; later rows keep those widths. */
const SAMPLE_ROWS = 100;

/** How a table is laid out. */
export interface TableLayout {
  readonly heading: readonly string[];
  /** Cells of a line; `Infinity` where there is no terminal. */
  readonly columns: number;
  readonly hasHeading: boolean;
  /** Each row at once, as it comes. */
  readonly isLive: boolean;
}

/** Rows in, lines out. */
export class Table {
  readonly #layout: TableLayout;
  #widths: number[] | undefined;
  #waiting: (readonly string[])[] = [];

  constructor(layout: TableLayout) {
    this.#layout = layout;
  }

  /** Lines to print now; empty while the first rows wait for each other. */
  add(row: readonly string[]): string {
    this.#waiting.push(row);
    if (this.#widths || this.#layout.isLive || this.#waiting.length >= SAMPLE_ROWS) {
      return this.end();
    }
    return "";
  }

  /** Lines that still wait. */
  end(): string {
    const rows = this.#waiting;
    this.#waiting = [];
    if (rows.length === 0) return "";
    const { heading, hasHeading, columns } = this.#layout;
    const isFirst = this.#widths === undefined;
    this.#widths ??= fit([heading, ...rows], columns);
    const lines = isFirst && hasHeading ? [heading, ...rows] : rows;
    return lines.map((line) => `${this.#line(line)}\n`).join("");
  }

  /** The end of a table that has come whole: where it has no rows, the heading alone says so. */
  finish(): string {
    const lines = this.end();
    if (this.#widths || !this.#layout.hasHeading) return lines;
    this.#widths = fit([this.#layout.heading], this.#layout.columns);
    return `${this.#line(this.#layout.heading)}\n`;
  }

  #line(row: readonly string[]): string {
    const isTerminal = Number.isFinite(this.#layout.columns);
    const last = row.length - 1;
    const cells = row.map((cell, column) => {
      const most = this.#widths?.[column] ?? 0;
      const text = isTerminal ? cut(cell, most) : cell;
      if (column === last) return text;
      return text + " ".repeat(Math.max(0, most - width(text)));
    });
    return cells.join(GAP).trimEnd();
  }
}

/** Cells a text takes on a terminal. */
export function width(text: string): number {
  return Bun.stringWidth(text);
}

/** Widths that fit: while the line is too long, the widest column gives way. */
function fit(rows: readonly (readonly string[])[], columns: number): number[] {
  const widths = (rows[0] ?? []).map((_cell, column) =>
    Math.max(...rows.map((row) => width(row[column] ?? ""))),
  );
  const room = columns - GAP.length * (widths.length - 1);
  for (;;) {
    const total = widths.reduce((sum, one) => sum + one, 0);
    const widest = widths.indexOf(Math.max(...widths));
    if (total <= room || widths[widest]! <= COLUMN_CELLS_MIN) return widths;
    const second = Math.max(COLUMN_CELLS_MIN, ...widths.filter((_w, column) => column !== widest));
    const target = Math.max(
      widths[widest]! - (total - room),
      Math.min(second, widths[widest]! - 1),
    );
    widths[widest] = Math.max(COLUMN_CELLS_MIN, target);
  }
}

function cut(text: string, most: number): string {
  if (width(text) <= most) return text;
  let kept = "";
  let used = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    used += width(segment);
    if (used > most - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}
