// Prints figures: a table for people, one JSON document for programs.
// Next: row.ts says what a figure is.

import type { Figure, Reach } from "./row.ts";

const HEAD = ["what", "operon", "against", "theirs", "ratio", "reach", ""];

/** The lines of the table, with its head. */
export function tableLines(figures: readonly Figure[]): string[] {
  const rows = [HEAD, ...figures.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

/** Whether a figure reaches what is asked of it; `undefined` when there is no figure or nothing is asked. */
export function isReached({ ratio, reach, skipped }: Figure): boolean | undefined {
  if (skipped !== undefined || ratio === undefined || Number.isNaN(ratio)) return undefined;
  if (reach.most !== undefined) return ratio <= reach.most;
  return reach.least === undefined ? undefined : ratio >= reach.least;
}

function cells(figure: Figure): string[] {
  const { what, against, ours, theirs = "", ratio, unit = "x", reach, skipped } = figure;
  const wanted = words(reach, unit);
  if (skipped !== undefined) return [what, "-", against, "-", "-", wanted, skipped];
  const shown = ratio === undefined ? "" : `${digits(ratio)}${unit}`;
  return [
    what,
    ours,
    against,
    theirs,
    shown,
    wanted,
    { true: "reached", false: "not reached", undefined: "" }[String(isReached(figure))] ?? "",
  ];
}

function words({ most, least }: Reach, unit: string): string {
  if (most !== undefined) return `at most ${most}${unit}`;
  return least === undefined ? "-" : `at least ${least}${unit}`;
}

function digits(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}
