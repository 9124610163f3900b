// The rules of one operation, found by resource without testing each of them: by folder, by start, by end.
// It must never leave out a rule whose glob would match: an index may only be quicker than trying all.
// Next: decide.ts asks it; glob.ts says what `prefix`, `suffix` and `form` promise.

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

/** Rules by resource. Filled at compile time in the order of the file, read-only afterwards. */
export class ResourceIndex<Rule> {
  readonly #everywhere: Bucket<Rule> = emptyBucket();
  readonly #exact = new KeyedBuckets<Rule>();
  readonly #subtrees = new KeyedBuckets<Rule>();
  readonly #starts = new KeyedBuckets<Rule>();
  readonly #ends = new KeyedBuckets<Rule>();
  /** Slashes in the deepest subtree, plus one: further down a resource there is nothing to find. */
  #slashesMax = 0;

  /** Adds a rule under one of its globs; without a glob it applies to every resource. */
  add(verdict: Verdict, entry: IndexedRule<Rule>, glob: Glob | undefined): void {
    if (!glob) this.#everywhere[verdict].push(entry);
    else if (glob.form === "literal") this.#exact.at(glob.prefix)[verdict].push(entry);
    else if (glob.form === "subtree") {
      this.#subtrees.at(glob.prefix)[verdict].push(entry);
      this.#slashesMax = Math.max(this.#slashesMax, glob.prefix.split("/").length);
    } else this.#generalBucket(glob)[verdict].push({ ...entry, glob });
  }

  /** Every bucket whose rules may apply to `resource`; the work is bounded by the rules, not by the resource. */
  candidates(resource: string): readonly Bucket<Rule>[] {
    const found = [this.#everywhere];
    const push = (bucket: Bucket<Rule> | undefined) => {
      if (bucket) found.push(bucket);
    };
    push(this.#exact.find(resource));
    push(this.#subtrees.find(resource));
    let slash = resource.indexOf("/");
    for (let left = this.#slashesMax; left > 0 && slash >= 0; left--) {
      if (slash > this.#subtrees.lengthMax) break;
      push(this.#subtrees.find(resource.slice(0, slash)));
      slash = resource.indexOf("/", slash + 1);
    }
    for (const length of this.#starts.lengths) push(this.#starts.find(resource.slice(0, length)));
    for (const length of this.#ends.lengths) push(this.#ends.find(resource.slice(-length)));
    return found;
  }

  /** A glob is kept under its start when that names more than a scheme, else under its end. */
  #generalBucket({ prefix, suffix }: Glob): Bucket<Rule> {
    if (prefix.includes("/") || (prefix !== "" && suffix === "")) return this.#starts.at(prefix);
    return suffix === "" ? this.#everywhere : this.#ends.at(suffix);
  }
}

/** Buckets by a text that is looked up whole. */
class KeyedBuckets<Rule> {
  readonly #buckets = new Map<string, Bucket<Rule>>();
  /** Distinct lengths of the keys. */
  readonly lengths: number[] = [];
  lengthMax = -1;

  at(key: string): Bucket<Rule> {
    let bucket = this.#buckets.get(key);
    if (bucket) return bucket;
    bucket = emptyBucket();
    this.#buckets.set(key, bucket);
    if (!this.lengths.includes(key.length)) this.lengths.push(key.length);
    this.lengthMax = Math.max(this.lengthMax, key.length);
    return bucket;
  }

  find(text: string): Bucket<Rule> | undefined {
    return text.length > this.lengthMax ? undefined : this.#buckets.get(text);
  }
}

function emptyBucket<Rule>(): Bucket<Rule> {
  return { allow: [], ask: [], deny: [] };
}
