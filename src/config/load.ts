// The configuration of this machine: one file, read whole, checked whole, or refused with file and line.
// It must never return part of a file that is not entirely valid, nor read one that others could have written.
// Next: schema.ts says what a file may hold; watch.ts tells when it changed; edit.ts changes it.

import { createHash } from "node:crypto";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { OperonError } from "../error.ts";
import { assertPrivateFolder, readPrivateFile } from "../identity/private_file.ts";
import { type Locate, type LocatedYaml, locatedYaml } from "../policy/located_yaml.ts";
import { filePathOf, type SecretReference } from "../secret/reference.ts";
import { configInvalid } from "./problems.ts";
import { type Config, configSchema, SECRETS_FILE, type SettingsSchemas } from "./schema.ts";

/** Largest configuration file (bytes): far beyond any real one, small enough to parse at once. */
export const CONFIG_BYTES_MAX = 1024 * 1024;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** A configuration that was found valid. */
export interface LoadedConfig {
  readonly config: Config;
  /** Absolute path of the file. */
  readonly file: string;
  /** Where the value at a path stands; `["policy", "roles", "operator", 2]`. */
  readonly locate: Locate;
  /** SHA-256 of the file's bytes, hex. */
  readonly fingerprint: string;
  /** What the file says, before defaults. */
  readonly written: unknown;
}

/** How to read a configuration. */
export interface LoadOptions {
  /** Schemas of the sections capabilities own under `policy`, by capability id. */
  readonly settings: SettingsSchemas;
}

/**
 * Loads and checks a file.
 * @throws OperonError `config.missing`, `config.encoding_invalid`, `config.yaml_invalid`, `config.invalid` (with every
 *   problem in `data.problems`), `identity.file_*` and `identity.folder_exposed` when others could have written it
 */
export async function loadConfig(path: string, options: LoadOptions): Promise<LoadedConfig> {
  return parseConfig(readConfigFile(path), { path, ...options });
}

/** Checks a text as if it stood in a file at `path`. Same errors as {@link loadConfig}, but for those of the file. */
export async function parseConfig(
  text: string,
  { path, settings }: LoadOptions & { readonly path: string },
): Promise<LoadedConfig> {
  const file = resolve(path);
  const { value, locate } = await parseYaml(text, file);
  const parsed = configSchema(settings).safeParse(value ?? {});
  if (!parsed.success) throw configInvalid(parsed.error, { locate, settings });
  return {
    config: withAbsolutePaths(parsed.data, dirname(file)),
    file,
    locate,
    fingerprint: createHash("sha256").update(text).digest("hex"),
    written: value,
  };
}

/** The file's text, when nobody else could have written it. Errors as {@link loadConfig}, but for those of the content. */
export function readConfigFile(path: string): string {
  try {
    const limits = { maxBytes: CONFIG_BYTES_MAX, privacy: "trusted" } as const;
    const bytes = readPrivateFile(path, limits);
    assertPrivateFolder(dirname(resolve(path)));
    return utf8.decode(bytes);
  } catch (error) {
    if (!(error instanceof OperonError)) throw encodingInvalid(path, error);
    throw error.code === "identity.file_missing" ? missing(path) : error;
  }
}

/** Where the configuration says that secrets are; without a word about it, in a file beside it. */
export function secretSources({
  config,
  file,
}: Pick<LoadedConfig, "config" | "file">): NonNullable<Config["secrets"]> {
  return config.secrets ?? { file: join(dirname(file), SECRETS_FILE), names: {} };
}

/** An absolute host path: `~/x` is below the user's home, a relative one below `folder`. */
export function expandPath(path: string, folder: string): string {
  if (path === "~" || path.startsWith("~/")) return resolve(homedir(), path.slice(2));
  return resolve(folder, path);
}

async function parseYaml(text: string, file: string): Promise<LocatedYaml> {
  try {
    return await locatedYaml(text, basename(file));
  } catch (cause) {
    const known = cause instanceof OperonError ? cause : undefined;
    throw new OperonError({
      code: "config.yaml_invalid",
      kind: "failed_precondition",
      // What else a parser may throw, it throws on text that is nested without end.
      message: known?.message ?? `${basename(file)} cannot be read: it is nested too deeply`,
      hint: known?.hint ?? `Restore ${file} from a copy`,
      ...(known?.data === undefined ? {} : { data: known.data }),
      cause,
    });
  }
}

function withAbsolutePaths(config: Config, folder: string): Config {
  const { policy, secrets } = config;
  const mounts = policy?.mounts.map((mount) => ({
    ...mount,
    path: expandPath(mount.path, folder),
  }));
  return {
    ...config,
    ...(policy && { policy: { ...policy, mounts: mounts ?? [] } }),
    ...(secrets && {
      secrets: {
        file: expandPath(secrets.file, folder),
        names: Object.fromEntries(
          Object.entries(secrets.names).map(([name, reference]) => [
            name,
            withAbsolutePath(reference, folder),
          ]),
        ),
      },
    }),
  };
}

function withAbsolutePath(reference: SecretReference, folder: string): SecretReference {
  const path = filePathOf(reference);
  return path === undefined ? reference : `file:${expandPath(path, folder)}`;
}

function missing(path: string): OperonError {
  return new OperonError({
    code: "config.missing",
    kind: "failed_precondition",
    message: `There is no configuration at ${path}`,
    hint: "Create one with: operon onboard; or name another place with --config FILE or OPERON_HOME",
  });
}

function encodingInvalid(path: string, cause: unknown): OperonError {
  return new OperonError({
    code: "config.encoding_invalid",
    kind: "failed_precondition",
    message: `The configuration ${path} is not UTF-8 text`,
    hint: "Save it as UTF-8, or restore it from a copy",
    cause,
  });
}
