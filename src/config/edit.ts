// Changes the configuration file as a careful person would: comments stay, the result is checked, the file is replaced whole.
// It must never leave a file behind that would not load.
// Next: load.ts checks; node/node.ts adds the principal that redeemed an invitation.

import type { Document } from "yaml";
import type { z } from "zod";
import { OperonError } from "../error.ts";
import { writePrivateFile } from "../identity/private_file.ts";
import { parseConfig, readConfigFile } from "./load.ts";

/** What editing needs. */
export interface EditOptions {
  /** Schemas of the sections capabilities own under `policy`. */
  readonly settings: Readonly<Record<string, z.ZodType>>;
}

/** @throws OperonError `config.*` when the file is not valid before or after the change; it is unchanged then */
export async function editConfig(
  path: string,
  options: EditOptions,
  change: (document: Document) => void,
): Promise<void> {
  const { parseDocument } = await import("yaml");
  const before = readConfigFile(path);
  await parseConfig(before, { path, ...options });
  const document = parseDocument(before, { schema: "core", stringKeys: true });
  change(document as unknown as Document);
  const after = document.toString({ lineWidth: 0, flowCollectionPadding: true });
  await parseConfig(after, { path, ...options });
  if (readConfigFile(path) !== before) throw changedMeanwhile(path);
  writePrivateFile(path, Buffer.from(after));
}

/** A principal to be added. */
export interface NewPrincipal {
  /** Wished name; another gets a number appended. */
  readonly name: string;
  readonly key: string;
  readonly roles: readonly string[];
}

/** Adds a principal, or gives a known key more roles. Returns the name it has. Errors as {@link editConfig}. */
export async function addPrincipal(
  path: string,
  options: EditOptions,
  principal: NewPrincipal,
): Promise<string> {
  const { config } = await parseConfig(readConfigFile(path), { path, ...options });
  const principals = config.policy?.principals ?? {};
  const known = Object.entries(principals).find(
    ([, other]) => "key" in other && other.key === principal.key,
  );
  const name = known?.[0] ?? freeName(principal.name, Object.keys(principals));
  const roles = [...new Set([...(known?.[1].roles ?? []), ...principal.roles])];
  await editConfig(path, options, (document) => {
    if (known)
      return document.setIn(
        ["policy", "principals", name, "roles"],
        document.createNode(roles, { flow: true }),
      );
    document.setIn(
      ["policy", "principals", name],
      document.createNode({ key: principal.key, roles }, { flow: true }),
    );
  });
  return name;
}

function freeName(wished: string, taken: readonly string[]): string {
  const plain =
    wished
      .toLowerCase()
      .replace(/[^a-z0-9._-]/g, "-")
      .replace(/^[^a-z0-9]+/, "")
      .slice(0, 56) || "node";
  let name = plain;
  for (let number = 2; taken.includes(name); number++) name = `${plain}-${number}`;
  return name;
}

function changedMeanwhile(path: string): OperonError {
  return new OperonError({
    code: "config.changed_meanwhile",
    kind: "aborted",
    message: `${path} was changed by someone else at the same time`,
    hint: "Try again",
  });
}
