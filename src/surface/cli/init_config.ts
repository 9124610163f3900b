// `operon init config PATH` writes a commented example; `operon config schema` prints the JSON Schema editors use.
// It must never overwrite a file, nor give anybody authority: the example has no principals.
// Next: config/template.ts has the text; onboard.ts makes a home that is ready for use.

import { lstatSync, mkdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { configJsonSchemaText, SCHEMA_FILE_NAME } from "../../config/json_schema.ts";
import { parseConfig } from "../../config/load.ts";
import { configTemplate } from "../../config/template.ts";
import { OperonError } from "../../error.ts";
import { writePrivateFile } from "../../identity/private_file.ts";
import { type ConfigVerbOptions, registryParts } from "./config_parts.ts";
import { escapeText } from "./escape.ts";
import { usageError } from "./usage_error.ts";
import type { VerbContext, VerbInput } from "./verb.ts";

/** Runs `config schema`. */
export async function runConfigSchema(
  { stdio }: VerbContext,
  options: ConfigVerbOptions,
): Promise<number> {
  const { settings } = registryParts(await options.registry());
  await stdio.stdout.write(configJsonSchemaText(settings));
  return 0;
}

/** Runs `init config PATH`. @throws OperonError `config.exists`, `cli.*`, `identity.*` */
export async function runInitConfig(
  input: VerbInput,
  context: VerbContext,
  options: ConfigVerbOptions,
): Promise<number> {
  const target = input.args.path;
  if (typeof target !== "string" || target === "") {
    throw usageError(
      "argument_missing",
      "init config needs the path of the file to write",
      "operon init config ./config.yaml",
    );
  }
  const path = resolve(target);
  assertFree(path);
  const { settings, operations } = registryParts(await options.registry());
  const schemaPath = join(dirname(path), SCHEMA_FILE_NAME);
  const text = configTemplate({
    role: "both",
    nodeId: "local",
    listen: "127.0.0.1:7789",
    workspace: "~/operon-workspace",
    operations,
    schemaFile: basename(schemaPath),
  });
  await parseConfig(text, { path, settings });
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writePrivateFile(path, Buffer.from(text), { exclusive: true });
  const hasSchema = lstatSync(schemaPath, { throwIfNoEntry: false }) !== undefined;
  if (!hasSchema) writePrivateFile(schemaPath, Buffer.from(configJsonSchemaText(settings)));
  const created = hasSchema ? [path] : [path, schemaPath];
  if (context.globals.json) await context.show({ created });
  else if (!context.globals.quiet) {
    const lines = created.map((file) => `Created ${escapeText(file)}`);
    const next = `Next: add principals to it, then operon --config ${escapeText(path)} config explain`;
    await context.stdio.stdout.write(`${[...lines, next].join("\n")}\n`);
  }
  return 0;
}

function assertFree(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  throw new OperonError({
    code: "config.exists",
    kind: "already_exists",
    message: `${path} exists already`,
    hint: "It is never overwritten; give another path, or move it away first",
  });
}
