// What `operon doctor` found: what it looked at, how it is, and what to do about it.
// It must never carry a secret or the content of a private file.
// Next: local_checks.ts looks at this machine, node_checks.ts at the others; doctor_verbs.ts prints.

/** How a thing is. `note`: a limit to know about; only a `problem` makes doctor fail. */
export type Status = "ok" | "note" | "warning" | "problem";

/** One thing doctor looked at. */
export interface Finding {
  /** What was checked, stable: `config`, `audit`, `node`. */
  readonly check: string;
  readonly status: Status;
  /** A sentence without a full stop. */
  readonly what: string;
  /** The next step; always there unless the status is `ok`. */
  readonly fix?: string;
  /** The node it is about, when it is not this machine. */
  readonly node?: string;
}

/** Everything doctor found. */
export interface DoctorReport {
  /** Whether nothing is a problem. */
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

/** A report, what is worst first within each check's order. */
export function reportOf(findings: readonly Finding[]): DoctorReport {
  return { ok: findings.every(({ status }) => status !== "problem"), findings };
}

/** The report for a person: a line a finding, its fix below. The caller escapes it. */
export function reportLines({ ok, findings }: DoctorReport): readonly string[] {
  const width = Math.max(...findings.map(({ check }) => check.length), 0);
  const lines = findings.flatMap(({ check, status, what, fix }) => [
    `${MARKS[status]} ${check.padEnd(width)}  ${what}`,
    ...(fix === undefined || status === "ok" ? [] : [`  ${" ".repeat(width)}  fix: ${fix}`]),
  ]);
  return [...lines, ok ? "Nothing is wrong" : countOf(findings)];
}

const MARKS: Readonly<Record<Status, string>> = { ok: "✓", note: "·", warning: "!", problem: "✗" };

function countOf(findings: readonly Finding[]): string {
  const count = findings.filter(({ status }) => status === "problem").length;
  return count === 1 ? "1 problem" : `${count} problems`;
}
