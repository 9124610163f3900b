// The environment of a command: cleared, then what policy sets, then what the caller may set.
// It must never pass on a variable that makes a loader, a shell or an interpreter run something
// else.
// Next: facts.ts refuses such variables, run.ts hands the result to the process.

import { steersLoader, steersProcess } from "../../steering_variable.ts";
import type { ExecSettings } from "./schema.ts";

/** Where commands are looked up when policy names no folders. */
export const SEARCH_PATH_DEFAULT: readonly string[] = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
];

/** Whether a caller may set this variable: policy allows it, and it can redirect nothing. */
export function callerMaySet(name: string, settings: ExecSettings): boolean {
  return !steersProcess(name) && settings.env.allow.includes(name);
}

/**
 * The folders commands are looked up in: policy's, or the daemon's own PATH when policy lets it
 * through.
 */
export function searchPath(
  settings: ExecSettings,
  own: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  if (settings.path) return settings.path;
  const inherited = settings.env.allow.includes("PATH") ? own.PATH : undefined;
  // An empty or relative entry would mean the working directory, which the caller chooses.
  const folders = inherited?.split(":").filter((folder) => folder.startsWith("/")) ?? [];
  return folders.length > 0 ? folders : SEARCH_PATH_DEFAULT;
}

/**
 * Builds the whole environment of a command. The caller's part must have passed {@link
 * callerMaySet}.
 */
export function buildEnvironment(
  settings: ExecSettings,
  own: Readonly<Record<string, string | undefined>>,
  asked: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of settings.env.allow) {
    const value = own[name];
    if (value !== undefined && !steersLoader(name)) environment[name] = value;
  }
  environment.PATH = searchPath(settings, own).join(":");
  for (const [name, value] of Object.entries(settings.env.set)) environment[name] = value;
  for (const [name, value] of Object.entries(asked)) {
    if (callerMaySet(name, settings)) environment[name] = value;
  }
  return environment;
}
