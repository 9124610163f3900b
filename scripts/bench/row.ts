// What a row of the table is, and how its figures come about: contenders take turns, and the median of each counts.
// A row must never fail the run: what is missing or breaks becomes a word in its place.
// Next: main.ts runs the rows; table.ts prints them.

import type { Site } from "./site.ts";

/** What is asked of a figure: a ratio (or a number of `unit`) of at most or at least so much; or nothing. */
export interface Reach {
  readonly most?: number;
  readonly least?: number;
}

/** One line of the table. */
export interface Figure {
  readonly what: string;
  readonly against: string;
  /** Medians as people read them. */
  readonly ours: string;
  readonly theirs?: string;
  /** Ours to theirs; or, without a peer, ours in the unit that `reach` is in. */
  readonly ratio?: number;
  /** Printed after the ratio and the reach; default `x`. */
  readonly unit?: string;
  readonly reach: Reach;
  /** Why there is no figure: a peer program that is missing, a feature that is not there. */
  readonly skipped?: string;
}

/** A row: one command line word, one or more figures. */
export interface Row {
  readonly id: string;
  measure(site: Site): Promise<readonly Figure[]>;
}

/** Something that is measured once per round. */
export interface Contender {
  readonly name: string;
  sample(): number | Promise<number>;
}

/** Medians by name. Each round lets every contender go once; odd rounds in reverse order; the first round is not counted. */
export async function interleave(
  contenders: readonly Contender[],
  rounds: number,
): Promise<(name: string) => number> {
  const samples = new Map(contenders.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round <= rounds; round++) {
    const order = round % 2 === 0 ? contenders : [...contenders].reverse();
    for (const contender of order) {
      const value = await contender.sample();
      if (round > 0) samples.get(contender.name)?.push(value);
    }
  }
  return (name) => median(samples.get(name) ?? []);
}

/** The middle of a list, or between the two in the middle. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which a share of the list lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** Why a row has no figure; thrown by whatever finds that a peer program is missing. */
export class Missing extends Error {}

/** `12.3 ms` */
export function ms(value: number): string {
  return `${value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3)} ms`;
}

/** `12,300/s` */
export function perSecond(value: number): string {
  return `${Math.round(value).toLocaleString("en")}/s`;
}

/** `1.23 GB/s` */
export function gigabytes(bytesPerSecond: number): string {
  return `${(bytesPerSecond / 1e9).toFixed(2)} GB/s`;
}
