// Reads the configuration file: private, bounded, located, checked as a whole.
// It must never guess at a file that is exposed, half-written or not understood.
// Next: schema.ts says what may stand in it; node/policy_state.ts compiles what came out.

import { createHash } from "node:crypto";
import { homedir } from "node:os";
import { basename, dirname, resolve } from "node:path";
import type { z } from "zod";
import { OperonError } from "../error.ts";
import { assertPrivateFolder, readPrivateFile } from "../identity/private_file.ts";
import { type Locate, locatedYaml } from "../policy/located_yaml.ts";
import { suggest } from "../policy/nearest_name.ts";
import { type Config, configSchema } from "./schema.ts";

const FILE_BYTES_MAX = 1024 * 1024;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** A configuration and where it came from. */
export interface LoadedConfig {
  readonly config: Config;
  readonly file: string;
  /** Where the value at a path stands. */
  readonly locate: Locate;
  /** SHA-256 of the file, hex. */
  readonly fingerprint: string;
}

/** What loading needs. */
export interface LoadOptions {
  /** Schemas of the sections capabilities own under `policy`. */
  readonly settings: Readonly<Record<string, z.ZodType>>;
}

/**
 * Loads and checks a file.
 * @throws OperonError `config.missing`, `config.invalid` (file, line and nearest name), `policy.yaml_invalid`, `identity.file_*`
 */
export async function loadConfig(path: string, options: LoadOptions): Promise<LoadedConfig> {
  return parseConfig(readConfigFile(path), { path, ...options });
}

/** Checks a text as if it stood in a file at `path`. Same errors as {@link loadConfig}, but for those of the file. */
export async function parseConfig(
  text: string,
  { path, settings }: LoadOptions & { readonly path: string },
): Promise<LoadedConfig> {
  const { value, locate } = await locatedYaml(text, basename(path));
  const parsed = configSchema(settings).safeParse(value);
  if (!parsed.success) throw configInvalid(parsed.error, { value, locate, path });
  return {
    config: expandPaths(parsed.data, dirname(path)),
    file: path,
    locate,
    fingerprint: createHash("sha256").update(text).digest("hex"),
  };
}

/** The file's text, when nobody else could have written it. @throws OperonError `config.missing`, `config.invalid`, `identity.file_*` */
export function readConfigFile(path: string): string {
  try {
    const bytes = readPrivateFile(path, { maxBytes: FILE_BYTES_MAX, privacy: "trusted" });
    assertPrivateFolder(dirname(path));
    return utf8.decode(bytes);
  } catch (error) {
    if (error instanceof OperonError && error.code === "identity.file_missing")
      throw configMissing(path);
    if (error instanceof OperonError) throw error;
    throw new OperonError({
      code: "config.invalid",
      kind: "failed_precondition",
      message: `${path} is not UTF-8 text`,
      hint: "Save it as UTF-8",
    });
  }
}

function configMissing(path: string): OperonError {
  return new OperonError({
    code: "config.missing",
    kind: "failed_precondition",
    message: `There is no configuration at ${path}`,
    hint: "Create one with: operon onboard",
  });
}

interface Context {
  readonly value: unknown;
  readonly locate: Locate;
  readonly path: string;
}

function configInvalid(error: z.ZodError, context: Context): OperonError {
  const problems = error.issues
    .flatMap((issue) => flatten(issue, []))
    .map((problem) => describe(problem, context));
  const [first] = problems;
  return new OperonError({
    code: "config.invalid",
    kind: "failed_precondition",
    message: first?.message ?? `${context.path} is not valid`,
    hint: first?.hint ?? "operon config explain lists every problem",
    data: { problems },
  });
}

interface Problem {
  readonly path: readonly PropertyKey[];
  readonly issue: z.core.$ZodIssue;
}

/** An alternative that fails reports the branch that came furthest: its message is the useful one. */
function flatten(issue: z.core.$ZodIssue, base: readonly PropertyKey[]): Problem[] {
  const path = [...base, ...issue.path];
  if (issue.code !== "invalid_union" || issue.errors.length === 0) return [{ path, issue }];
  const branch = issue.errors.toSorted((a, b) => a.length - b.length)[0] ?? [];
  return branch.flatMap((inner) => flatten(inner, path));
}

function describe(
  { path, issue }: Problem,
  { locate, path: file }: Context,
): { message: string; hint: string; path: string; line?: number } {
  const isUnknownKey = issue.code === "unrecognized_keys";
  const key = isUnknownKey ? issue.keys[0] : undefined;
  const whole = key === undefined ? path : [...path, key];
  const line = locate(whole)?.line;
  const place = `${basename(file)}${line === undefined ? "" : `:${line}`}`;
  const name = whole.map(String).join(".");
  const shown = name === "" ? "the file" : name;
  return {
    message: isUnknownKey
      ? `${shown}: unknown key at ${place}`
      : `${shown}: ${issue.message} at ${place}`,
    hint:
      key === undefined
        ? `Correct ${place}; operon init config shows a complete example`
        : suggest(key, knownKeys(path)),
    path: name,
    ...(line === undefined ? {} : { line }),
  };
}

/** Keys that could stand beside a misspelt one. */
function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  let schema: unknown = configSchema({});
  for (const step of path) schema = childOf(schema, step);
  return Object.keys(
    (unwrap(schema) as { shape?: Record<string, unknown> } | undefined)?.shape ?? {},
  );
}

function childOf(schema: unknown, step: PropertyKey): unknown {
  const inner = unwrap(schema) as
    | {
        shape?: Record<string, unknown>;
        _zod?: { def?: { valueType?: unknown; element?: unknown } };
      }
    | undefined;
  return inner?.shape?.[String(step)] ?? inner?._zod?.def?.valueType ?? inner?._zod?.def?.element;
}

function unwrap(schema: unknown): unknown {
  let current = schema as
    | { _zod?: { def?: { innerType?: unknown; options?: unknown[] } } }
    | undefined;
  for (;;) {
    const def = current?._zod?.def;
    const inner = def?.innerType ?? def?.options?.[0];
    if (inner === undefined) return current;
    current = inner as typeof current;
  }
}

/** `~/x` is under the user's home; a relative path is under the file's folder. */
function expandPaths(config: Config, folder: string): Config {
  if (!config.policy) return config;
  const mounts = config.policy.mounts.map((mount) => ({
    ...mount,
    path: expandPath(mount.path, folder),
  }));
  return { ...config, policy: { ...config.policy, mounts } };
}

/** An absolute host path. */
export function expandPath(path: string, folder: string): string {
  if (path === "~" || path.startsWith("~/")) return resolve(homedir(), path.slice(2));
  return resolve(folder, path);
}
