// `operon config explain`: what the configuration means on this machine, who may do what, and what is wrong.
// It must never change anything or need a daemon; it exits with 1 when something is wrong.
// Next: config/explain.ts finds out; this only prints.

import { type ConfigReport, explainConfig } from "../../config/explain.ts";
import { type ConfigVerbOptions, homeOf, registryParts } from "./config_parts.ts";
import { escapeText } from "./escape.ts";
import type { VerbContext } from "./verb.ts";

/** Runs `config explain`; the exit code is 1 when something is wrong. */
export async function runConfigExplain(
  context: VerbContext,
  options: ConfigVerbOptions,
): Promise<number> {
  const { globals, stdio } = context;
  const home = homeOf(context);
  const report = await explainConfig(globals.config ?? home.config_path, {
    ...registryParts(await options.registry()),
    home,
  });
  if (globals.json) await context.show(report);
  else if (!globals.quiet) await stdio.stdout.write(renderReport(report));
  return report.ok ? 0 : 1;
}

/** The report as text; nothing in it can steer a terminal. */
export function renderReport(report: ConfigReport): string {
  const sections: readonly (readonly [title: string, lines: readonly string[]])[] = [
    [
      "Files",
      report.files.map(({ what, path, mode, state }) => row(what, state, mode ?? "-", path)),
    ],
    [
      "Settings",
      report.values.map(({ path, value, source }) => row(path, show(value), `(${source})`)),
    ],
    ["Reach", report.exposure ? [report.exposure.explanation] : []],
    ["Mounts", report.mounts.map(mountLine)],
    ["Principals", report.principals.map(principalLine)],
    ...Object.entries(report.roles).map(
      ([role, rules]) => [`Role ${role}`, rules.map(ruleLine)] as const,
    ),
    ["Problems", problemLines(report)],
  ];
  const text = [`${report.file}: ${report.ok ? "nothing is wrong" : "something is wrong"}`];
  for (const [title, lines] of sections) {
    if (lines.length > 0) text.push("", title, ...lines.map((line) => `  ${line}`));
  }
  return `${text.map((line) => escapeText(line)).join("\n")}\n`;
}

const CELL_WIDTHS = [32, 16, 6];

function row(...cells: readonly string[]): string {
  return cells
    .map((cell, index) => cell.padEnd(CELL_WIDTHS[index] ?? 0))
    .join(" ")
    .trimEnd();
}

function mountLine(mount: ConfigReport["mounts"][number]): string {
  const state = { ok: "", missing: "missing", no_folder: "no folder" }[mount.state];
  const access = state === "" ? (mount.writable ? "read, write" : "read only") : state;
  return `${mount.at} is ${mount.path}, ${access}; fs:${mount.name}/… in rules (${mount.source})`;
}

function principalLine({
  name,
  key,
  roles,
  source,
  is_self,
}: ConfigReport["principals"][number]): string {
  const who = is_self ? `${name} (this machine)` : name;
  return `${who}: ${roles.length === 0 ? "no role" : roles.join(", ")} (${source}) ${key}`;
}

function ruleLine(rule: ConfigReport["roles"][string][number]): string {
  const parts = [
    `${rule.number}. ${rule.verdict} ${rule.operations.join(", ")}`,
    rule.on ? `on ${rule.on.join(", ")}` : "",
    rule.when ? `when ${show(rule.when)}` : "",
    rule.name === undefined ? "" : `"${rule.name}"`,
    rule.line === undefined ? "" : `(${rule.file ?? "line"}:${rule.line})`,
  ];
  return parts.filter((part) => part !== "").join(" ");
}

function problemLines({ problems }: ConfigReport): readonly string[] {
  return problems.flatMap(({ level, message, hint, file, line }) => {
    const place =
      file === undefined || message.includes(`${file}:${line}`) ? "" : ` (${file}:${line})`;
    return [`${level}: ${message}${place}`, ...(hint === "" ? [] : [`  hint: ${hint}`])];
  });
}

function show(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
