// Carries an onboarding plan out, and tells what it made and what that opens.
// It must never overwrite a key, nor write a configuration that would not load.
// Next: onboard.ts prints the result.

import { lstatSync, mkdirSync } from "node:fs";
import { userInfo } from "node:os";
import { assertHome } from "../../config/disk_check.ts";
import { configJsonSchemaText, SCHEMA_FILE_NAME } from "../../config/json_schema.ts";
import { describeReach, parseListenAddress, type Reach } from "../../config/listen_address.ts";
import { parseConfig, readConfigFile } from "../../config/load.ts";
import { configTemplate, type MachineRole } from "../../config/template.ts";
import type { PublicKey } from "../../identity/key.ts";
import { createKey, loadKey } from "../../identity/keystore.ts";
import { writePrivateFile } from "../../identity/private_file.ts";
import type { RegistryParts } from "./config_parts.ts";
import type { OnboardPlan } from "./onboard_plan.ts";

/** What was made; `--json` prints it. */
export interface OnboardResult {
  readonly home: string;
  readonly role: MachineRole;
  readonly node_id: string;
  readonly key: string;
  readonly fingerprint: string;
  readonly config: string;
  readonly workspace?: string;
  readonly listen?: string;
  readonly reach?: Reach;
  readonly created: readonly string[];
  readonly kept: readonly string[];
  /** Sentences. */
  readonly opens: readonly string[];
  readonly closed: readonly string[];
  readonly warnings: readonly string[];
  readonly next: readonly string[];
}

/** @throws OperonError `identity.*`, `config.*` */
export async function performOnboarding(
  plan: OnboardPlan,
  parts: RegistryParts,
): Promise<OnboardResult> {
  const { home, role } = plan;
  const created: string[] = [];
  const kept: string[] = [];
  const note = (path: string, isNew: boolean) => void (isNew ? created : kept).push(path);
  note(home.path, makeFolder(home.path));
  // Another process may have made the folder since the plan was checked.
  assertHome(home.path);
  const hasKey = exists(home.key_path);
  const { publicKey } = hasKey ? loadKey(home.key_path) : createKey(home.key_path);
  note(home.key_path, !hasKey);
  if (role !== "client") note(plan.workspace, makeFolder(plan.workspace));
  const text = configTemplate({
    ...plan,
    key: publicKey.id,
    operations: parts.operations,
    schemaFile: SCHEMA_FILE_NAME,
  });
  await parseConfig(text, { path: home.config_path, settings: parts.settings });
  if (plan.rewrites) kept.push(keepOldConfig(home.config_path));
  const schemaPath = `${home.path}/${SCHEMA_FILE_NAME}`;
  writePrivateFile(schemaPath, Buffer.from(configJsonSchemaText(parts.settings)));
  writePrivateFile(home.config_path, Buffer.from(text), { exclusive: !plan.rewrites });
  created.push(home.config_path);
  return describe(plan, { publicKey, created, kept });
}

/** Returns whether it had to be made. */
function makeFolder(path: string): boolean {
  return mkdirSync(path, { recursive: true, mode: 0o700 }) !== undefined;
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** The first free `config.yaml.old`, `config.yaml.old-2`, …: no copy replaces another. */
function keepOldConfig(path: string): string {
  let copy = `${path}.old`;
  for (let number = 2; exists(copy); number++) copy = `${path}.old-${number}`;
  writePrivateFile(copy, Buffer.from(readConfigFile(path)), { exclusive: true });
  return copy;
}

interface Made {
  readonly publicKey: PublicKey;
  readonly created: readonly string[];
  readonly kept: readonly string[];
}

function describe(plan: OnboardPlan, made: Made): OnboardResult {
  const { home, role, nodeId, workspace, listen, reach } = plan;
  const { publicKey, created, kept } = made;
  const serves = role !== "client";
  return {
    home: home.path,
    role,
    node_id: nodeId,
    key: publicKey.id,
    fingerprint: publicKey.fingerprint,
    config: home.config_path,
    ...(serves ? { workspace, listen, reach } : {}),
    created,
    kept,
    opens: serves
      ? opened(plan)
      : [`nothing: this machine only calls others; ${nodeId} (its own key) may join them`],
    closed: [
      "no other key has a role, so nobody else may do anything",
      "browsers are refused, and nothing is announced on the local network",
    ],
    warnings: plan.warnings,
    next: serves
      ? [
          "operon daemon start",
          "operon node invite --role observer    lets another machine in",
          "operon config explain                 shows who may do what",
        ]
      : ["operon node join CODE    with a code from operon node invite on another machine"],
  };
}

function opened({ listen, workspace, nodeId }: OnboardPlan): string[] {
  return [
    `listens on ${listen}: ${describeReach(parseListenAddress(listen))}`,
    `serves the folder ${workspace} as /`,
    `lets ${nodeId} (this machine's own key) do everything the node can`,
    `runs commands for it as the user ${userName()}, with all that user's rights: no sandbox`,
  ];
}

/** `root`, `alice`, or `number 1000` where the system knows no name. */
function userName(): string {
  const id = process.getuid?.();
  if (id === 0) return "root";
  try {
    const { username } = userInfo();
    if (username !== "" && username !== "unknown") return username;
  } catch {
    // A container may run as a user without a line in the password file.
  }
  return `number ${id ?? "?"}`;
}
