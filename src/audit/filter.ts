import type { AuditEntry, AuditFilter } from "./entry.ts";

/** A filter, ready to be asked about many lines. */
export interface EntryMatcher {
  /** Whether a line can match, judged by its bytes: spares parsing most of a log. */
  mayMatch(line: Uint8Array): boolean;
  matches(entry: AuditEntry): boolean;
}

/** Prepares a filter; `limit` is not its concern. */
export function entryMatcher(filter: AuditFilter): EntryMatcher {
  const needles = needlesOf(filter);
  const tests = testsOf(filter);
  return {
    mayMatch(line) {
      if (needles.length === 0) return true;
      const bytes = Buffer.from(line.buffer, line.byteOffset, line.byteLength);
      return needles.every((needle) => bytes.includes(needle));
    },
    matches: (entry) => tests.every((test) => test(entry)),
  };
}

/** Texts that stand in a line as they are: plain ASCII without what JSON escapes. */
function needlesOf(filter: AuditFilter): string[] {
  const wanted = [filter.event, filter.capability, filter.trace_id, filter.resource];
  return wanted.filter(
    (text): text is string => text !== undefined && text !== "" && /^[\w .:/@+=-]+$/.test(text),
  );
}

function testsOf(filter: AuditFilter): ((entry: AuditEntry) => boolean)[] {
  const tests: ((entry: AuditEntry) => boolean)[] = [];
  const { event, capability, action, allowed, resource, principal, trace_id } = filter;
  if (event !== undefined) tests.push((entry) => entry.event === event);
  if (capability !== undefined) {
    tests.push(({ operation }) => operation?.startsWith(`${capability}.`) === true);
  }
  if (action !== undefined) {
    tests.push(
      ({ operation }) => operation === action || operation?.endsWith(`.${action}`) === true,
    );
  }
  if (allowed !== undefined) {
    tests.push(
      ({ decision }) => decision !== undefined && (decision.verdict === "allow") === allowed,
    );
  }
  if (resource !== undefined) {
    tests.push(({ resources }) => resources?.some((one) => one.includes(resource)) === true);
  }
  if (principal !== undefined) {
    tests.push((entry) => entry.principal === principal || entry.principal_name === principal);
  }
  if (trace_id !== undefined) tests.push((entry) => entry.trace_id === trace_id);
  const sinceMs = Date.parse(filter.since ?? "");
  if (filter.since !== undefined) tests.push((entry) => Date.parse(entry.time) >= sinceMs);
  const untilMs = Date.parse(filter.until ?? "");
  if (filter.until !== undefined) tests.push((entry) => Date.parse(entry.time) <= untilMs);
  const from = filter.from_sequence;
  if (from !== undefined) tests.push((entry) => entry.sequence >= from);
  return tests;
}
