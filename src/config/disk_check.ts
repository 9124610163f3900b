// Looks at what a configuration refers to on this machine: private files, mounts. For people; nothing is changed.
// It must never open a mount's content or print anything a file holds.
// Next: explain.ts puts the findings together.

import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { OperonError } from "../error.ts";
import type { Home } from "../identity/home.ts";
import { loadKey } from "../identity/keystore.ts";
import { assertPrivateFolder, readPrivateFile } from "../identity/private_file.ts";
import type { Mount } from "../policy/mount.ts";
import { FILE_BYTES_MAX, filePathsOf } from "../secret/reference.ts";
import { STORE_BYTES_MAX } from "../secret/store.ts";
import { type LoadedConfig, secretSources } from "./load.ts";

/** One finding. Only an `error` makes `config explain` fail. */
export interface ConfigFinding {
  readonly level: "error" | "warning" | "note";
  /** Stable code. */
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly file?: string;
  readonly line?: number;
}

/** A file or folder that must be private. */
export interface FileReport {
  readonly what: "home" | "key" | "configuration" | "known nodes" | "audit" | "secrets";
  readonly path: string;
  /** `absent`: not there yet, and need not be. */
  readonly state: "ok" | "absent" | "missing" | "wrong";
  /** `0600` */
  readonly mode?: string;
}

/** A mount as the disk is now. */
export interface MountReport extends Mount {
  readonly state: "ok" | "missing" | "no_folder";
  /** Whether this user may write there, and the configuration lets anybody. */
  readonly writable: boolean;
}

/** What a look at the disk found. */
export interface DiskReport {
  readonly files: readonly FileReport[];
  readonly mounts: readonly MountReport[];
  readonly findings: readonly ConfigFinding[];
  /** Key id of this machine, when its key file could be read. */
  readonly ownKey: string | undefined;
}

const KNOWN_NODES_BYTES_MAX = 16 * 1024 * 1024;

/** Looks at a home and at what a configuration (`undefined` when it is not valid) refers to. */
export function checkDisk(
  home: Home,
  {
    configPath,
    loaded,
  }: { readonly configPath: string; readonly loaded: LoadedConfig | undefined },
): DiskReport {
  const files: FileReport[] = [];
  const findings: ConfigFinding[] = [];
  let ownKey: string | undefined;
  const check = (
    what: FileReport["what"],
    { path, test, optional = true }: { path: string; test: () => void; optional?: boolean },
  ) => {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    const seen = { what, path, ...(stat && { mode: modeOf(stat) }) };
    if (!stat && optional) return files.push({ ...seen, state: "absent" });
    try {
      test();
      files.push({ ...seen, state: "ok" });
    } catch (error) {
      files.push({ ...seen, state: stat ? "wrong" : "missing" });
      findings.push(findingOf(error));
    }
  };
  const secret = (path: string, maxBytes: number) => () => void readPrivateFile(path, { maxBytes });
  check("home", { path: home.path, optional: false, test: () => assertHome(home.path) });
  const readKey = () => {
    ownKey = loadKey(home.key_path).publicKey.id;
  };
  check("key", { path: home.key_path, optional: false, test: readKey });
  // What is wrong with its content, and with its mode, is the loader's to say.
  const stat = lstatSync(configPath, { throwIfNoEntry: false });
  const state = stat === undefined ? "missing" : loaded === undefined ? "wrong" : "ok";
  files.push({
    what: "configuration",
    path: configPath,
    state,
    ...(stat && { mode: modeOf(stat) }),
  });
  const known = home.known_nodes_path;
  check("known nodes", { path: known, test: secret(known, KNOWN_NODES_BYTES_MAX) });
  check("audit", { path: home.audit_path, test: () => assertPrivateFolder(home.audit_path) });
  // The store is made by the first `secret set`; a file that is not there yet is for `secret check` to report.
  const sources = loaded && secretSources(loaded);
  if (sources)
    check("secrets", { path: sources.file, test: secret(sources.file, STORE_BYTES_MAX) });
  const referred = filePathsOf(sources?.names ?? {});
  for (const path of referred) check("secrets", { path, test: secret(path, FILE_BYTES_MAX) });
  for (const path of sources ? [sources.file, ...referred] : [])
    findings.push(...judgeSecretPlace(path, home));
  const mounts = (loaded?.config.policy?.mounts ?? []).map(reportMount);
  for (const mount of mounts) findings.push(...judgeMount(mount, home));
  return { files, mounts, findings, ownKey };
}

/**
 * Whether a host folder holds (or is) another, following links: serving the one serves the other.
 * Folders that do not exist are compared as written.
 */
export function holdsFolder(outer: string, inner: string): boolean {
  const from = realPath(outer);
  const to = realPath(inner);
  return to === from || to.startsWith(from === "/" ? "/" : `${from}/`);
}

/** A home nobody else can look into or change. @throws OperonError `identity.folder_exposed`, `identity.file_linked` */
export function assertHome(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) {
    throw new OperonError({
      code: "identity.file_linked",
      kind: "failed_precondition",
      message: `The home ${path} is a symbolic link`,
      hint: `Use the folder itself: set OPERON_HOME=${realPath(path)}`,
    });
  }
  if (!existsSync(path)) {
    throw new OperonError({
      code: "identity.file_missing",
      kind: "not_found",
      message: `There is no home ${path}`,
      hint: "operon onboard creates it, with its key and configuration",
    });
  }
  assertPrivateFolder(path);
  const { mode } = statSync(path);
  if ((mode & 0o077) === 0) return;
  throw new OperonError({
    code: "identity.folder_exposed",
    kind: "failed_precondition",
    message: `Others can look into the home ${path} (mode ${modeOf({ mode })})`,
    hint: `Run: chmod 700 ${path}`,
  });
}

function reportMount(mount: Mount): MountReport {
  const stat = statSync(mount.path, { throwIfNoEntry: false });
  const state = stat === undefined ? "missing" : stat.isDirectory() ? "ok" : "no_folder";
  return { ...mount, state, writable: state === "ok" && !mount.read_only && mayWrite(mount.path) };
}

function judgeMount(mount: MountReport, home: Home): ConfigFinding[] {
  const name = `Mount ${mount.name}`;
  const found: ConfigFinding[] = [];
  if (mount.state !== "ok") {
    found.push({
      level: "error",
      code: "mount-missing",
      message: `${name}: ${mount.path} ${mount.state === "missing" ? "does not exist" : "is no folder"}`,
      hint: `Create it with: mkdir -p ${mount.path}; or correct policy.mounts`,
    });
  } else if (!mount.writable && !mount.read_only) {
    found.push({
      level: "warning",
      code: "mount-not-writable",
      message: `${name}: this user may not write to ${mount.path}`,
      hint: "Say read_only: true, or run the daemon as the user it belongs to",
    });
  }
  if (holdsFolder(mount.path, home.path)) {
    found.push({
      level: "error",
      code: "mount-holds-home",
      message: `${name}: ${mount.path} holds ${home.path}, so callers could read this machine's key`,
      hint: "Mount a folder of its own, beside the home",
    });
  }
  const stat = statSync(mount.path, { throwIfNoEntry: false });
  if (stat && (stat.mode & 0o002) !== 0) {
    found.push({
      level: "warning",
      code: "mount-open",
      message: `${name}: every user of this machine can write to ${mount.path}`,
      hint: `Run: chmod o-w ${mount.path}`,
    });
  }
  return found;
}

/** A file alone is covered only as long as it is not replaced; a folder, whatever happens in it. */
function judgeSecretPlace(path: string, home: Home): ConfigFinding[] {
  if (holdsFolder(home.path, path)) return [];
  return [
    {
      level: "note",
      code: "secret-outside-home",
      message: `${path} is outside the home: a command that runs while the file is replaced may be able to read the new one`,
      hint: `Keep it in ${home.path}, which commands cannot look into where the machine protects it`,
    },
  ];
}

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function findingOf(error: unknown): ConfigFinding {
  if (!(error instanceof OperonError)) throw error;
  return { level: "error", code: error.code, message: error.message, hint: error.hint ?? "" };
}

function modeOf({ mode }: Pick<Stats, "mode">): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

/** The real path, also of a folder that does not exist yet. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const up = dirname(path);
    return up === path
      ? path
      : `${realPath(up).replace(/\/$/, "")}${path.slice(up.replace(/\/$/, "").length)}`;
  }
}
