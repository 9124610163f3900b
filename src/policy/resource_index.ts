// The rules of one operation, found by resource without testing each of them: a look-up per component of the resource.
// It must never leave out a rule whose glob would match: an index may only be quicker than trying all.
// Next: decide.ts asks it; glob.ts says what `prefix` and `form` promise.

import type { Verdict } from "../decision.ts";
import type { Condition } from "./condition.ts";
import type { Glob } from "./glob.ts";

/** A rule as it applies to one operation. */
export interface IndexedRule<Rule> {
  readonly rule: Rule;
  /** Position in the order of the file: of several rules that apply, the first is named. */
  readonly ordinal: number;
  readonly conditions: readonly Condition[];
  /** Left to test; absent where the look-up alone proves the match. */
  readonly glob?: Glob;
}

/** Rules that a look-up found, by verdict, each list in the order of the file. */
export type Bucket<Rule> = Readonly<Record<Verdict, IndexedRule<Rule>[]>>;

interface Place<Rule> {
  exact: Bucket<Rule> | undefined;
  subtree: Bucket<Rule> | undefined;
  below: Bucket<Rule> | undefined;
}

const SLASH = 47;

/** Rules by resource. Filled at compile time in the order of the file, read-only afterwards. */
export class ResourceIndex<Rule> {
  readonly #everywhere: Bucket<Rule> = emptyBucket();
  readonly #places = new Map<string, Place<Rule>>();
  #slashesMax = 0;
  #keyLengthMax = 0;

  /** Adds a rule under one of its globs; without a glob it applies to every resource. */
  add(verdict: Verdict, entry: IndexedRule<Rule>, glob: Glob | undefined): void {
    if (!glob) {
      this.#everywhere[verdict].push(entry);
    } else if (glob.form === "literal") {
      this.#bucket(glob.prefix, "exact")[verdict].push(entry);
    } else if (glob.form === "subtree") {
      this.#bucket(glob.prefix, "subtree")[verdict].push(entry);
    } else {
      const slash = glob.prefix.lastIndexOf("/");
      const bucket =
        slash < 0 ? this.#everywhere : this.#bucket(glob.prefix.slice(0, slash), "below");
      bucket[verdict].push({ ...entry, glob });
    }
  }

  /** Every bucket whose rules may apply to `resource`; the work is bounded by the rules' depth, not the resource's. */
  candidates(resource: string): readonly Bucket<Rule>[] {
    const found = [this.#everywhere];
    if (this.#places.size === 0) return found;
    let left = this.#slashesMax;
    const end = Math.min(resource.length, this.#keyLengthMax + 1);
    for (let at = 0; at < end && left > 0; at++) {
      if (resource.charCodeAt(at) !== SLASH) continue;
      left--;
      const place = this.#places.get(resource.slice(0, at));
      if (place?.subtree) found.push(place.subtree);
      if (place?.below) found.push(place.below);
    }
    if (resource.length > this.#keyLengthMax) return found;
    const place = this.#places.get(resource);
    if (place?.exact) found.push(place.exact);
    if (place?.subtree) found.push(place.subtree);
    return found;
  }

  #bucket(key: string, kind: keyof Place<Rule>): Bucket<Rule> {
    let place = this.#places.get(key);
    if (!place) {
      place = { exact: undefined, subtree: undefined, below: undefined };
      this.#places.set(key, place);
    }
    this.#keyLengthMax = Math.max(this.#keyLengthMax, key.length);
    this.#slashesMax = Math.max(this.#slashesMax, key.split("/").length);
    place[kind] ??= emptyBucket();
    return place[kind];
  }
}

function emptyBucket<Rule>(): Bucket<Rule> {
  return { allow: [], ask: [], deny: [] };
}
