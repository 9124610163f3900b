// Changes the configuration file as a careful person would: comments stay, the result is checked, the file is replaced whole.
// It must never leave a file behind that would not load, nor lose what someone else wrote meanwhile.
// Next: load.ts checks; node/node.ts adds the principal that redeemed an invitation.

import type { Document } from "yaml";
import { ProcessLock } from "../audit/lock.ts";
import { systemClock } from "../clock.ts";
import { OperonError } from "../error.ts";
import { parseName } from "../identity/name.ts";
import { writePrivateFile } from "../identity/private_file.ts";
import { principalKeyId } from "../policy/principal_key.ts";
import { type LoadedConfig, type LoadOptions, parseConfig, readConfigFile } from "./load.ts";

const LOCK_TIMEOUT_MS = 5_000;
const NAME_BASE_LENGTH_MAX = 56;

/** Changes the parsed YAML in place; `loaded` is the configuration as it is before. */
export type ConfigChange = (document: Document, loaded: LoadedConfig) => void;

/**
 * Edits the file (mode 0600 afterwards). Edits by several processes follow one another.
 * @throws OperonError `config.*` when the file is not valid before or would not be after; it is unchanged then.
 *   `config.changed_meanwhile` when an editor wrote it at the same time, `config.edit_failed` when `change` threw
 */
export async function editConfig(
  path: string,
  options: LoadOptions,
  change: ConfigChange,
): Promise<void> {
  const { parseDocument } = await import("yaml");
  // Before the lock file is made: a missing or exposed configuration is refused without leaving a trace.
  readConfigFile(path);
  using lock = new ProcessLock(`${path}.lock`);
  await acquire(lock, path);
  const before = readConfigFile(path);
  const loaded = await parseConfig(before, { path, ...options });
  const document = parseDocument(before, { schema: "core", stringKeys: true });
  apply(change, document as unknown as Document, loaded);
  const after = document.toString({ lineWidth: 0, flowCollectionPadding: true });
  await parseConfig(after, { path, ...options });
  if (readConfigFile(path) !== before) throw changedMeanwhile(path);
  writePrivateFile(path, Buffer.from(after));
}

/** A principal to be added. */
export interface NewPrincipal {
  /** Wished name, as a stranger may have chosen it: made valid, and numbered when it is taken. */
  readonly name: string;
  /** `ed25519:<base32>` */
  readonly key: string;
  readonly roles: readonly string[];
  /** The name was chosen by whoever is added: it must not be one that the policy means somebody else by. */
  readonly isSelfNamed?: boolean;
}

/** Adds a principal, or gives a known key more roles. Returns the name it has. Errors as {@link editConfig}. */
export async function addPrincipal(
  path: string,
  options: LoadOptions,
  principal: NewPrincipal,
): Promise<string> {
  let name = principal.name;
  await editConfig(path, options, (document, { config }) => {
    const principals = config.policy?.principals ?? {};
    const known = Object.entries(principals).find(([, other]) => keyOf(other) === principal.key);
    const meant = principal.isSelfNamed ? textsIn(config.policy) : [];
    name = known?.[0] ?? freeName(principal.name, [...Object.keys(principals), ...meant]);
    const roles = [...new Set([...(known?.[1].roles ?? []), ...principal.roles])];
    const at = ["policy", "principals", name];
    if (known) document.setIn([...at, "roles"], document.createNode(roles, { flow: true }));
    else document.setIn(at, document.createNode({ key: principal.key, roles }, { flow: true }));
  });
  return name;
}

async function acquire(lock: ProcessLock, path: string): Promise<void> {
  try {
    await lock.acquire("exclusive", { clock: systemClock, timeoutMs: LOCK_TIMEOUT_MS });
  } catch (cause) {
    throw new OperonError({
      code: "config.locked",
      kind: "unavailable",
      message: `Another process is editing ${path}`,
      hint: "Try again",
      cause,
    });
  }
}

function apply(change: ConfigChange, document: Document, loaded: LoadedConfig): void {
  try {
    change(document, loaded);
  } catch (cause) {
    if (cause instanceof OperonError) throw cause;
    throw new OperonError({
      code: "config.edit_failed",
      kind: "failed_precondition",
      message: `${loaded.file} is written in a way that operon cannot edit`,
      hint: "Make the change by hand; aliases and empty sections are what it cannot write into",
      cause,
    });
  }
}

function keyOf(principal: Parameters<typeof principalKeyId>[0]): string | undefined {
  try {
    return principalKeyId(principal);
  } catch {
    // A bad key is policy's to refuse; it is nobody's.
    return undefined;
  }
}

/** Every text in a section: who may publish a service, say, is named before there is such a principal. */
function textsIn(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

function freeName(wished: string, taken: readonly string[]): string {
  const plain = wished
    .toLowerCase()
    .replace(/[^a-z0-9._-]/g, "-")
    .replace(/^[^a-z0-9]+/, "")
    .slice(0, NAME_BASE_LENGTH_MAX);
  const base = plain === "" ? "node" : plain;
  let name = base;
  for (let number = 2; taken.includes(name); number++) name = `${base}-${number}`;
  return parseName(name, "principal");
}

function changedMeanwhile(path: string): OperonError {
  return new OperonError({
    code: "config.changed_meanwhile",
    kind: "aborted",
    message: `${path} was changed by someone else at the same time`,
    hint: "Try again",
  });
}
