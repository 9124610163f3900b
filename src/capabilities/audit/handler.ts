// Handlers of `audit`: each asks services.audit and passes entries on as they come.
// It must never hold more than one entry at a time: a log may be larger than memory.
// Next: contract/services.ts for AuditView.

import type { AuditFilter } from "../../audit/entry.ts";
import type { Handlers } from "../../contract/capability.ts";
import { PublicKey } from "../../identity/key.ts";
import type { operations } from "./schema.ts";

/** One handler per operation of {@link operations}. */
export const handlers: Handlers<typeof operations, "audit"> = {
  async *list(input, call) {
    let entries = 0;
    for await (const entry of call.services.audit.query(filterOf(input), call.signal)) {
      call.signal.throwIfAborted();
      entries++;
      yield entry;
    }
    return { entries };
  },
  async *show({ sequence, ...filters }, call) {
    if (sequence === undefined) {
      let entries = 0;
      for await (const entry of call.services.audit.query(filterOf(filters), call.signal)) {
        call.signal.throwIfAborted();
        entries++;
        yield entry;
      }
      return { entries };
    }
    const from = { from_sequence: sequence };
    for await (const entry of call.services.audit.query(from, call.signal)) {
      if (entry.sequence !== sequence) break;
      yield entry;
      return { entries: 1 };
    }
    throw call.fail("missing", { sequence });
  },
  async *follow(input, call) {
    let entries = 0;
    for await (const entry of call.services.audit.follow(filterOf(input), call.signal)) {
      entries++;
      yield entry;
    }
    return { entries };
  },
  async verify({ proofs }, call) {
    const { signal } = call;
    const { last, problems, ...report } = await call.services.audit.verify({ proofs, signal });
    return {
      ...report,
      ...(last === undefined ? {} : { last }),
      problems: [...problems],
      exit_code: report.ok ? 0 : 1,
    };
  },
  async witness({ checkpoint }, call) {
    const { id } = call.principal;
    if (PublicKey.parse(id).hex !== checkpoint.key) throw call.fail("not_own");
    const held = call.services.audit.witness(checkpoint);
    return held ? { held } : {};
  },
};

/**
 * The given conditions only: an absent one and one that is `undefined` must mean the same to the
 * log.
 */
function filterOf(
  input: { [Name in keyof AuditFilter]: AuditFilter[Name] | undefined },
): AuditFilter {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
}
