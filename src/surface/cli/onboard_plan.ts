// What onboarding will do, decided before anything is touched: paths checked, refusals said, consequences named.
// It must never create or change anything.
// Next: onboard_perform.ts carries a plan out.

import { lstatSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { assertHome, holdsFolder } from "../../config/disk_check.ts";
import {
  describeReach,
  parseListenAddress,
  type Reach,
  reachOf,
} from "../../config/listen_address.ts";
import type { MachineRole } from "../../config/template.ts";
import { OperonError } from "../../error.ts";
import { type Home, homeAt } from "../../identity/home.ts";
import { parseName } from "../../identity/name.ts";

/** What the user said, defaults filled in. */
export interface OnboardAnswers {
  readonly role: MachineRole;
  readonly homePath: string;
  readonly nodeId: string;
  readonly workspace: string;
  readonly listen: string;
  readonly isForced: boolean;
  /** What `~` means. */
  readonly userHome: string | undefined;
  /** Names of the flags that were given. */
  readonly given: ReadonlySet<string>;
}

/** What is going to be made. */
export interface OnboardPlan {
  readonly role: MachineRole;
  readonly home: Home;
  readonly nodeId: string;
  /** Absolute; unused by a client. */
  readonly workspace: string;
  readonly listen: string;
  readonly reach: Reach;
  /** An existing configuration is copied aside and rewritten. */
  readonly rewrites: boolean;
  /** Sentences: what would be done. */
  readonly intentions: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Checks answers against the disk.
 * @throws OperonError `onboard.config_exists`, `onboard.home_invalid`, `onboard.workspace_invalid`,
 *   `config.listen_invalid`, `identity.*`
 */
export function planOnboarding(answers: OnboardAnswers): OnboardPlan {
  const home = homeAt(expand(answers.homePath, answers.userHome));
  assertUsableHome(home);
  const hasConfig = exists(home.config_path);
  if (hasConfig && !answers.isForced) throw configExists(home);
  const workspace = expand(answers.workspace, answers.userHome);
  const serves = answers.role !== "client";
  if (serves) assertUsableWorkspace(workspace, home);
  const address = parseListenAddress(answers.listen);
  const reach = reachOf(address.host);
  const opens = serves && reach !== "this_machine";
  const warning = `it will listen on ${answers.listen}: ${describeReach(address)}`;
  return {
    role: answers.role,
    home,
    nodeId: parseName(answers.nodeId, "node"),
    workspace,
    listen: answers.listen,
    reach,
    rewrites: hasConfig,
    intentions: [
      `Home        ${home.path}`,
      `Key         ${exists(home.key_path) ? "the existing one" : "a new one"}`,
      `Config      ${home.config_path}${hasConfig ? " (rewritten; the old one is kept beside it)" : ""}`,
      ...(serves ? [`Workspace   ${workspace}`, `Listen      ${answers.listen}`] : []),
    ],
    warnings: opens ? [warning] : [],
  };
}

function assertUsableHome(home: Home): void {
  const stat = lstatSync(home.path, { throwIfNoEntry: false });
  if (stat && !stat.isDirectory() && !stat.isSymbolicLink()) {
    throw refused("onboard.home_invalid", `${home.path} is no folder`, "Give another --output-dir");
  }
  if (stat) assertHome(home.path);
  const parent = existingAncestor(dirname(home.path));
  const { mode } = statSync(parent);
  // Whoever may rename entries of the folder above may put another home in this one's place.
  if ((mode & 0o002) !== 0 && (mode & 0o1000) === 0) {
    throw refused(
      "onboard.home_invalid",
      `Every user of this machine can replace ${home.path}, because ${parent} is open to all`,
      `Run: chmod o-w ${parent}, or give another --output-dir`,
    );
  }
}

function assertUsableWorkspace(workspace: string, home: Home): void {
  const stat = statSync(workspace, { throwIfNoEntry: false });
  if (stat ? !stat.isDirectory() : exists(workspace)) {
    throw refused(
      "onboard.workspace_invalid",
      `${workspace} is no folder`,
      "Give another --workspace",
    );
  }
  if (holdsFolder(workspace, home.path) || holdsFolder(home.path, workspace)) {
    throw refused(
      "onboard.workspace_invalid",
      `The workspace ${workspace} and the home ${home.path} lie inside one another, so callers could reach this machine's key`,
      "Choose a folder of its own, for example ~/operon-workspace",
    );
  }
}

function existingAncestor(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory()
    ? path
    : existingAncestor(dirname(path));
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function expand(path: string, userHome: string | undefined): string {
  if (path !== "~" && !path.startsWith("~/")) return resolve(path);
  if (userHome === undefined || userHome === "") {
    throw refused(
      "onboard.home_invalid",
      "HOME is not set, so ~ means nothing",
      "Give whole paths",
    );
  }
  return resolve(join(userHome, path.slice(1)));
}

function configExists(home: Home): OperonError {
  const key = exists(home.key_path) ? " (and a key, which is kept)" : "";
  return new OperonError({
    code: "onboard.config_exists",
    kind: "already_exists",
    message: `There is a configuration already: ${home.config_path}${key}`,
    hint: "See what it does with operon config explain; --force rewrites it and keeps the old one beside it",
    data: { config: home.config_path },
  });
}

function refused(code: string, message: string, hint: string): OperonError {
  return new OperonError({ code, kind: "failed_precondition", message, hint });
}
