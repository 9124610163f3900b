// The secrets of this machine's node: whether each can be used, as the node itself finds when it tries.
// It must never see a value: the node says what is wrong, and where.
// Next: doctor_verbs.ts says how the node is asked; config/disk_check.ts looks at the files' modes.

import { OperonError } from "../error.ts";
import type { Finding } from "./finding.ts";

/** A secret as its node tried it. */
export interface TriedSecret {
  readonly name: string;
  readonly ok: boolean;
  readonly problem?: string;
  readonly hint?: string;
}

/** A finding for each secret that cannot be used, or one for all; none where there are none, or this caller may not ask. */
export async function checkSecrets(
  ask: () => Promise<readonly TriedSecret[]>,
): Promise<readonly Finding[]> {
  const check = "secrets";
  try {
    const secrets = await ask();
    const wrong = secrets.filter(({ ok }) => !ok);
    if (wrong.length === 0 && secrets.length === 0) return [];
    if (wrong.length === 0) return [{ check, status: "ok", what: countOf(secrets.length) }];
    return wrong.map(({ name, problem = `${name} cannot be used`, hint }) => ({
      check,
      status: "warning",
      what: problem,
      fix: hint ?? "See operon secret check local",
    }));
  } catch (error) {
    if (!(error instanceof OperonError)) throw error;
    if (error.kind === "permission_denied") return [];
    const { message, hint = "See operon secret check local" } = error;
    return [{ check, status: "problem", what: message, fix: hint }];
  }
}

function countOf(count: number): string {
  return count === 1 ? "1 secret can be used" : `${count} secrets can be used`;
}
