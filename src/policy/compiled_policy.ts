// What a compiled policy is: the shapes that compile.ts builds and decide.ts, lint.ts and view.ts read.
// It must never be changed once built: a reload compiles a new one.
// Next: compile.ts.

import type { RuleLocation, Verdict } from "../decision.ts";
import type { Condition } from "./condition.ts";
import type { Glob } from "./glob.ts";
import type { MountTable } from "./mount.ts";
import type { ResourceIndex } from "./resource_index.ts";
import type { PolicyDocument, RuleDocument } from "./schema.ts";

/** What an operation does to the world, as contract/operation.ts says it. */
export type OperationEffect = "read" | "write" | "destroy" | "execute";

/** A rule that has been understood. */
export interface CompiledRule {
  readonly verdict: Verdict;
  readonly location: RuleLocation;
  /** `role operator, rule 3 (config.yaml:41)`; people count from 1. */
  readonly label: string;
  readonly document: RuleDocument;
  /** Ids of the operations it names, patterns expanded. */
  readonly operations: readonly string[];
  /** Empty: every resource. */
  readonly globs: readonly Glob[];
  /** Conditions as they apply to the operations of each capability. */
  readonly conditions: ReadonlyMap<string, readonly Condition[]>;
  /** Prefix of its usage keys, when it has a rate or a budget. */
  readonly usage_key: string | undefined;
  /** What its conditions cannot promise. */
  readonly cannot_promise: readonly string[];
}

/** A principal that has been understood. */
export interface CompiledPrincipal {
  readonly name: string;
  /** `ed25519:<base32>` */
  readonly id: string;
  readonly roles: readonly string[];
  /** Rules of all its roles by operation id; principals with the same roles share it. */
  readonly rules: ReadonlyMap<string, ResourceIndex<CompiledRule>>;
}

/** A policy that decides. Immutable; a reload makes a new one. */
export interface CompiledPolicy {
  readonly document: PolicyDocument;
  readonly mounts: MountTable;
  /** By key id. */
  readonly principals: ReadonlyMap<string, CompiledPrincipal>;
  readonly roles: ReadonlyMap<string, readonly CompiledRule[]>;
  readonly operations: ReadonlyMap<string, OperationEffect>;
}

/** One thing wrong with a policy. */
export interface PolicyProblem {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly path: readonly PropertyKey[];
  readonly file?: string;
  readonly line?: number;
}

/** Hands problems to whoever collects them. */
export type Report = (problem: Pick<PolicyProblem, "code" | "message" | "hint" | "path">) => void;

/** `config.yaml:41` */
export function placeOf(at: { readonly file?: string; readonly line?: number }): string {
  if (at.file === undefined) return at.line === undefined ? "" : `line ${at.line}`;
  return at.line === undefined ? at.file : `${at.file}:${at.line}`;
}

/** `fs` of `fs.read`. */
export function capabilityOf(operation: string): string {
  const dot = operation.indexOf(".");
  return dot < 0 ? operation : operation.slice(0, dot);
}
