// This machine's own state: configuration, private files, policy, audit log, disk.
// It must never need a daemon, change anything, or repeat a file's content.
// Next: config/explain.ts finds what is wrong with a configuration; audit/verify.ts with a log.

import { statfsSync } from "node:fs";
import { connect } from "node:net";
import { verifyAudit } from "../audit/verify.ts";
import { type ConfigReport, type ExplainOptions, explainConfig } from "../config/explain.ts";
import { OperonError } from "../error.ts";
import type { Home } from "../identity/home.ts";
import type { Finding, Status } from "./finding.ts";

/** Free space below which a node soon cannot write its audit log, and with it refuses every change (bytes). */
const FREE_BYTES_WARNING = 512 * 1024 * 1024;
const FREE_BYTES_PROBLEM = 32 * 1024 * 1024;

const LEVELS: Readonly<Record<"error" | "warning" | "note", Status>> = {
  error: "problem",
  warning: "warning",
  note: "note",
};

/** Configuration, files and policy, as `config explain` sees them. */
export async function checkConfig(
  configPath: string,
  options: ExplainOptions,
): Promise<{ readonly findings: readonly Finding[]; readonly report: ConfigReport }> {
  const report = await explainConfig(configPath, options);
  const findings: Finding[] = report.problems.map((problem) => ({
    check: POLICY_CODES.has(problem.code) ? "policy" : "config",
    status: LEVELS[problem.level],
    what: sentenceOf(problem),
    fix: problem.hint === "" ? "See operon config explain" : problem.hint,
  }));
  if (report.ok)
    findings.unshift({ check: "config", status: "ok", what: `${report.file} is valid` });
  const private_files = report.files.filter(({ state }) => state === "ok");
  findings.push({
    check: "files",
    status: "ok",
    what: `${private_files.length} private files and folders are the owner's alone`,
  });
  return { findings, report };
}

function sentenceOf({ message, file, line }: ConfigReport["problems"][number]): string {
  const place = line === undefined ? "" : `${file}:${line}`;
  return place === "" || message.includes(place) ? message : `${message} (${place})`;
}

const POLICY_CODES = new Set([
  "role-unused",
  "role-empty",
  "principal-powerless",
  "rule-shadowed",
  "rule-repeated",
  "rule-never-matches",
  "glob-suspicious",
  "cannot-promise",
]);

/** The audit log, every link of it. */
export async function checkAudit(home: Home, key: string | undefined): Promise<Finding> {
  const check = "audit";
  try {
    const report = await verifyAudit(home.audit_path, key === undefined ? {} : { key });
    const [first] = report.problems;
    if (!first) return { check, status: "ok", what: `${report.entries} entries verify` };
    return {
      check,
      status: "problem",
      what: `${first.message}${report.problems.length > 1 ? ` (and ${report.problems.length - 1} more)` : ""}`,
      fix: "operon audit verify names each place; keep the folder for inspection and start with a new one",
    };
  } catch (error) {
    if (!(error instanceof OperonError)) throw error;
    if (error.code === "audit.missing") return { check, status: "ok", what: "No log yet" };
    return {
      check,
      status: "problem",
      what: error.message,
      fix: error.hint ?? "See operon audit verify",
    };
  }
}

/** Whether a daemon answers on the home's socket; without one, commands dial by themselves and nobody can call this node. */
export async function checkDaemon(home: Home, listen: string | undefined): Promise<Finding> {
  const check = "daemon";
  const answers = await new Promise<boolean>((resolve) => {
    const socket = connect(home.socket_path);
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
  if (answers) return { check, status: "ok", what: "Runs" };
  return {
    check,
    status: listen === undefined ? "note" : "warning",
    what: "No daemon runs for this home, so other nodes cannot call this one",
    fix: "Run: operon daemon start",
  };
}

/** Room for the audit log: without it every change is refused. */
export function checkSpace(home: Home): Finding {
  const { bavail, bsize } = statfsSync(home.path);
  const freeBytes = bavail * bsize;
  const what = `${Math.round(freeBytes / 1024 / 1024)} MiB free where the home is`;
  if (freeBytes >= FREE_BYTES_WARNING) return { check: "disk", status: "ok", what };
  return {
    check: "disk",
    status: freeBytes < FREE_BYTES_PROBLEM ? "problem" : "warning",
    what,
    fix: "Make room: a node that cannot write its audit log refuses every change",
  };
}
