// Stands for an audit log that cannot be opened: nothing can be written, so nothing but looking at the damage is allowed.
// It must never pretend that an entry was kept.
// Next: authority.ts refuses calls while `failure` is set.

import type { OperonError } from "../error.ts";
import type { AuditWriter } from "./authority.ts";

/** A log that refuses every entry with the reason it could not be opened. */
export function brokenAudit(failure: OperonError): AuditWriter {
  const refuse = () => {
    const refused = Promise.reject(failure);
    refused.catch(() => {});
    return refused;
  };
  return {
    failure,
    lastTimeMs: 0,
    append: refuse,
    appendRelaxed: refuse,
    flush: async () => {},
    close: async () => {},
  };
}
