// Installs a node as a service and steers it, through whatever manages services on this machine.
// It must never overwrite a service that is not ours, nor leave half of one behind.
// Next: systemd.ts, launchd.ts, task_scheduler.ts write the definitions.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname } from "node:path";
import { OperonError } from "../error.ts";
import type { ServiceDefinition, WrittenDefinition } from "./definition.ts";
import { launchdLabel, launchdPlist } from "./launchd.ts";
import { systemdUnit } from "./systemd.ts";
import { scheduledTask } from "./task_scheduler.ts";

/** Name of the service of a machine's, or a user's, only home. */
export const DEFAULT_NAME = "operon";

/** What a service is doing. */
export interface ServiceStatus {
  readonly manager: Manager["kind"];
  readonly service: string;
  /** Where it is defined; not there when it is not installed. */
  readonly definition?: string;
  readonly is_running: boolean;
  /** In the manager's words. */
  readonly state: string;
  readonly pid?: number;
}

/** Runs a program to its end. */
export type RunProgram = (
  command: readonly string[],
) => Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;

/** One service manager, for one service. */
export interface Manager {
  readonly kind: "systemd" | "launchd" | "task_scheduler";
  readonly written: WrittenDefinition;
  /** Commands that take over a definition, and those that undo it. */
  readonly enable: readonly (readonly string[])[];
  readonly disable: readonly (readonly string[])[];
  /** After the definition is gone. */
  readonly forget: readonly (readonly string[])[];
  readonly start: readonly string[];
  readonly stop: readonly string[];
  readonly restart: readonly (readonly string[])[];
  readonly status: readonly string[];
  readStatus(code: number, text: string): Pick<ServiceStatus, "is_running" | "state" | "pid">;
  logs(options: { readonly follow: boolean; readonly lines: number }): readonly string[];
  /** What to do about what the manager said when it refused a command. */
  hintFor(said: string): string;
}

/** The manager of a platform. @throws OperonError `supervision.unsupported` */
export function managerFor(
  definition: ServiceDefinition,
  { platform, configHome, uid }: { platform: string; configHome?: string; uid: number },
): Manager {
  if (platform === "linux") return systemd(definition, { configHome, uid });
  if (platform === "darwin") return launchd(definition, uid);
  if (platform === "win32") return taskScheduler(definition);
  throw new OperonError({
    code: "supervision.unsupported",
    kind: "unimplemented",
    message: `There is no known service manager on ${platform}`,
    hint: "Run operon daemon start from whatever starts programs here",
  });
}

function systemd(
  definition: ServiceDefinition,
  { configHome, uid }: { configHome: string | undefined; uid: number },
): Manager {
  const { scope, name } = definition;
  const own = scope === "user" ? ["--user"] : [];
  const systemctl = (...words: readonly string[]) => ["systemctl", ...own, "--no-pager", ...words];
  const unit = `${name}.service`;
  return {
    kind: "systemd",
    written: systemdUnit(definition, configHome),
    enable: [systemctl("daemon-reload"), systemctl("--quiet", "enable", unit)],
    disable: [systemctl("--quiet", "disable", "--now", unit)],
    forget: [systemctl("daemon-reload")],
    start: systemctl("start", unit),
    stop: systemctl("stop", unit),
    restart: [systemctl("restart", unit)],
    status: systemctl("show", unit, "--property=ActiveState,SubState,MainPID"),
    readStatus(_code, text) {
      const facts = new Map(text.split("\n").map((line) => line.split("=", 2) as [string, string]));
      const pid = Number(facts.get("MainPID") ?? 0);
      const state = `${facts.get("ActiveState") ?? "unknown"} (${facts.get("SubState") ?? "unknown"})`;
      return { is_running: facts.get("ActiveState") === "active", state, ...(pid > 0 && { pid }) };
    },
    logs: ({ follow, lines }) => [
      ...["journalctl", ...own, "--no-pager", "--output=cat", `--lines=${lines}`],
      ...[`--unit=${unit}`].map((word) => (scope === "user" ? `--user-${word.slice(2)}` : word)),
      ...(follow ? ["--follow"] : []),
    ],
    hintFor(said) {
      if (!/connect to .*\bbus\b/i.test(said)) return logsHint(name);
      if (scope === "system")
        return "systemd does not run here: run operon daemon start from whatever starts programs on this machine";
      return `No manager of services runs for this user, or it cannot be found. As root: loginctl enable-linger ${userName(uid)}; then as this user: export XDG_RUNTIME_DIR=/run/user/${uid}, and try again`;
    },
  };
}

function logsHint(name: string): string {
  return `${serviceCommand("logs", name)} shows what the node said`;
}

/** A command about a service, to be copied. */
export function serviceCommand(verb: string, name: string): string {
  return `operon daemon service ${verb}${name === DEFAULT_NAME ? "" : ` --name ${name}`}`;
}

/** loginctl(1) takes the number, too, for a user without a name. */
function userName(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    return String(uid);
  }
}

function launchd(definition: ServiceDefinition, uid: number): Manager {
  const domain = definition.scope === "system" ? "system" : `gui/${uid}`;
  const target = `${domain}/${launchdLabel(definition.name)}`;
  const written = launchdPlist(definition);
  return {
    kind: "launchd",
    written,
    enable: [["launchctl", "enable", target]],
    disable: [["launchctl", "bootout", target]],
    forget: [],
    start: ["launchctl", "bootstrap", domain, written.path],
    stop: ["launchctl", "bootout", target],
    restart: [["launchctl", "kickstart", "-k", target]],
    status: ["launchctl", "print", target],
    readStatus(code, text) {
      const pid = Number(/^\s*pid = (\d+)$/m.exec(text)?.[1] ?? 0);
      const state = code === 0 ? (/^\s*state = (.+)$/m.exec(text)?.[1] ?? "loaded") : "not loaded";
      return { is_running: pid > 0, state, ...(pid > 0 && { pid }) };
    },
    logs: ({ follow, lines }) => [
      ...["tail", "-n", String(lines), ...(follow ? ["-F"] : [])],
      `${definition.home}/daemon.log`,
    ],
    hintFor: () => logsHint(definition.name),
  };
}

function taskScheduler(definition: ServiceDefinition): Manager {
  const task = `operon\\${definition.name}`;
  const written = scheduledTask(definition);
  const end = ["schtasks", "/End", "/TN", task];
  const run = ["schtasks", "/Run", "/TN", task];
  return {
    kind: "task_scheduler",
    written,
    enable: [["schtasks", "/Create", "/F", "/TN", task, "/XML", written.path]],
    disable: [end, ["schtasks", "/Delete", "/F", "/TN", task]],
    forget: [],
    start: run,
    stop: end,
    restart: [end, run],
    status: ["schtasks", "/Query", "/TN", task, "/FO", "LIST"],
    readStatus(code, text) {
      const state =
        code === 0 ? (/^Status:\s*(.+)$/m.exec(text)?.[1]?.trim() ?? "unknown") : "none";
      return { is_running: state === "Running", state };
    },
    logs: () => ["powershell", "-Command", "Write-Error 'A task keeps no log'"],
    hintFor: () => "See the task in Task Scheduler; operon daemon start shows what the node says",
  };
}

/** Writes the definition and has the manager take it over; the service is not started. @throws OperonError `supervision.*` */
export async function install(manager: Manager, run: RunProgram): Promise<void> {
  const { path, text } = manager.written;
  const before = existsSync(path) ? readFileSync(path, "utf8") : undefined;
  if (before !== undefined && !before.includes("operon")) throw notOurs(path);
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode: 0o644 });
  } catch (error) {
    throw notWritable(path, error);
  }
  try {
    await runAll(manager.enable, { manager, run });
  } catch (error) {
    if (before === undefined) rmSync(path, { force: true });
    else writeFileSync(path, before, { mode: 0o644 });
    throw error;
  }
}

/** Stops the service and removes it. Whether it was there. @throws OperonError `supervision.*` */
export async function uninstall(manager: Manager, run: RunProgram): Promise<boolean> {
  const { path } = manager.written;
  if (!existsSync(path)) return false;
  if (!readFileSync(path, "utf8").includes("operon")) throw notOurs(path);
  // What is not loaded cannot be unloaded, and is to be removed all the same.
  for (const command of manager.disable) await run(command);
  rmSync(path, { force: true });
  await runAll(manager.forget, { manager, run });
  return true;
}

/** @throws OperonError `supervision.failed` with what the manager said */
export async function runAll(
  commands: readonly (readonly string[])[],
  { manager, run }: { readonly manager: Pick<Manager, "hintFor">; readonly run: RunProgram },
): Promise<void> {
  for (const command of commands) {
    const { code, stderr, stdout } = await run(command);
    if (code === 0) continue;
    const said = (stderr || stdout).trim().split("\n").slice(0, 3).join("; ");
    throw new OperonError({
      code: "supervision.failed",
      kind: "failed_precondition",
      message: `${command.join(" ")} failed: ${said || `exit code ${code}`}`,
      hint: manager.hintFor(said),
    });
  }
}

/** What the service is doing. */
export async function status(
  manager: Manager,
  { name, run }: { name: string; run: RunProgram },
): Promise<ServiceStatus> {
  const { code, stdout } = await run(manager.status);
  const isInstalled = existsSync(manager.written.path);
  return {
    manager: manager.kind,
    service: name,
    ...(isInstalled && { definition: manager.written.path }),
    ...(isInstalled
      ? manager.readStatus(code, stdout)
      : { is_running: false, state: "not installed" }),
  };
}

function notOurs(path: string): OperonError {
  return new OperonError({
    code: "supervision.foreign",
    kind: "already_exists",
    message: `${path} belongs to something else`,
    hint: "Choose another name with --name",
  });
}

function notWritable(path: string, cause: unknown): OperonError {
  return new OperonError({
    code: "supervision.unwritable",
    kind: "permission_denied",
    message: `${path} cannot be written: ${(cause as NodeJS.ErrnoException).code ?? "unknown"}`,
    hint: "Run it as root for a system service, or as the user the node is for",
    cause,
  });
}
