// What a configuration means on this machine: every effective value and where it comes from, who may do what,
// who can reach it, and what is wrong with it.
// It must never need a daemon, change anything, or show a secret: keys shown are public.
// Next: disk_check.ts looks at files; policy/lint.ts at rules; surface/cli/config_explain.ts prints it.

import { OperonError } from "../error.ts";
import type { Home } from "../identity/home.ts";
import { type CompileOptions, compilePolicy } from "../policy/compile.ts";
import { type CompiledPolicy, placeOf } from "../policy/compiled_policy.ts";
import { lintPolicy } from "../policy/lint.ts";
import { PolicySchema, policyShape } from "../policy/schema.ts";
import { type RuleView, showPolicy } from "../policy/view.ts";
import { type ConfigFinding, checkDisk, type FileReport, type MountReport } from "./disk_check.ts";
import { describeReach, parseListenAddress, type Reach, reachOf } from "./listen_address.ts";
import { type LoadedConfig, loadConfig } from "./load.ts";
import type { SettingsSchemas } from "./schema.ts";

/** What a value is and who said so. */
export interface EffectiveValue {
  /** `daemon.listen` */
  readonly path: string;
  readonly value: unknown;
  /** `config.yaml:12`, or `default`. */
  readonly source: string;
}

/** Who can connect. */
export interface Exposure {
  readonly listen?: string;
  readonly reach: Reach | "nobody";
  /** A sentence. */
  readonly explanation: string;
}

/** Everything about a configuration. */
export interface ConfigReport {
  readonly file: string;
  /** Whether nothing is an error. */
  readonly ok: boolean;
  readonly fingerprint?: string;
  /** Key id of this machine. */
  readonly key?: string;
  readonly files: readonly FileReport[];
  readonly values: readonly EffectiveValue[];
  readonly exposure?: Exposure;
  readonly mounts: readonly (MountReport & { readonly source: string })[];
  readonly principals: readonly {
    readonly name: string;
    readonly key: string;
    readonly roles: readonly string[];
    readonly source: string;
    readonly is_self: boolean;
  }[];
  readonly roles: Readonly<Record<string, readonly RuleView[]>>;
  readonly problems: readonly ConfigFinding[];
}

/** What explaining needs to know of the node. */
export interface ExplainOptions extends Pick<CompileOptions, "caveats" | "operations"> {
  readonly home: Home;
  readonly settings: SettingsSchemas;
}

/** Explains the configuration at a path; what is wrong with it ends up in `problems`, not in an exception. */
export async function explainConfig(path: string, options: ExplainOptions): Promise<ConfigReport> {
  const problems: ConfigFinding[] = [];
  const loaded = await collect(problems, () => loadConfig(path, options));
  const policy = loaded && (await collect(problems, () => compile(loaded, options)));
  const disk = checkDisk(options.home, { configPath: path, loaded });
  problems.push(...disk.findings);
  if (loaded) problems.push(...judgeExposure(loaded), ...judgeNodes(loaded));
  if (policy) problems.push(...lintPolicy(policy), ...judgePrincipals(policy, disk.ownKey));
  const exposure = loaded && exposureOf(loaded);
  return {
    file: path,
    ok: problems.every(({ level }) => level !== "error"),
    ...(loaded && { fingerprint: loaded.fingerprint }),
    ...(disk.ownKey === undefined ? {} : { key: disk.ownKey }),
    files: disk.files,
    values: loaded ? effectiveValues(loaded) : [],
    ...(exposure && { exposure }),
    mounts: disk.mounts.map((mount, index) => ({
      ...mount,
      source: placeOf(loaded?.locate(["policy", "mounts", index]) ?? {}),
    })),
    principals: [...(policy?.principals.values() ?? [])].map(({ name, id, roles }) => ({
      name,
      key: id,
      roles,
      source: placeOf(loaded?.locate(["policy", "principals", name]) ?? {}),
      is_self: id === disk.ownKey,
    })),
    roles: policy ? showPolicy(policy).roles : {},
    problems,
  };
}

async function collect<T>(
  problems: ConfigFinding[],
  run: () => T | Promise<T>,
): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof OperonError)) throw error;
    problems.push(...findingsOf(error));
    return undefined;
  }
}

function findingsOf(error: OperonError): ConfigFinding[] {
  const { code, message, hint = "" } = error;
  const listed = (error.data?.problems ?? [{}]) as readonly Partial<ConfigFinding>[];
  return listed.map((problem) => ({
    level: "error",
    code: problem.code ?? code,
    message: problem.message ?? message,
    hint: problem.hint ?? hint,
    ...(problem.file === undefined ? {} : { file: problem.file }),
    ...(problem.line === undefined ? {} : { line: problem.line }),
  }));
}

function compile({ config, locate }: LoadedConfig, options: ExplainOptions): CompiledPolicy {
  const section: Readonly<Record<string, unknown>> = config.policy ?? {};
  const own = Object.keys(policyShape).map((key) => [key, section[key]] as const);
  return compilePolicy(PolicySchema.parse(Object.fromEntries(own)), {
    caveats: options.caveats,
    operations: options.operations,
    locate: (at) => locate(["policy", ...at]),
  });
}

/** Sections whose values are listed one by one; mounts, principals and roles have lists of their own. */
function effectiveValues(loaded: LoadedConfig): EffectiveValue[] {
  const { policy, ...rest } = loaded.config;
  const settings = Object.entries(policy ?? {}).filter(([key]) => !Object.hasOwn(policyShape, key));
  const shown = { ...rest, ...(policy && { policy: Object.fromEntries(settings) }) };
  return leavesOf(shown, []).map(({ path, value }) => ({
    path: path.map(String).join("."),
    value,
    source: isWritten(loaded.written, path) ? placeOf(loaded.locate(path) ?? {}) : "default",
  }));
}

interface Leaf {
  readonly path: readonly string[];
  readonly value: unknown;
}

function leavesOf(value: unknown, path: readonly string[]): Leaf[] {
  const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isMap) return value === undefined ? [] : [{ path, value }];
  const entries = Object.entries(value);
  if (entries.length === 0 && path.length > 1) return [{ path, value }];
  return entries.flatMap(([key, inner]) => leavesOf(inner, [...path, key]));
}

function isWritten(written: unknown, path: readonly string[]): boolean {
  let at = written;
  for (const step of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, step)) return false;
    at = (at as Record<string, unknown>)[step];
  }
  return true;
}

function exposureOf({ config }: LoadedConfig): Exposure {
  const listen = config.daemon?.listen;
  if (listen === undefined) {
    return { reach: "nobody", explanation: "No port is opened: nobody can connect to this node" };
  }
  const address = parseListenAddress(listen);
  const explanation = `Listens on ${listen}: ${describeReach(address)}`;
  return { listen, reach: reachOf(address.host), explanation };
}

function judgeExposure({ config, locate }: LoadedConfig): ConfigFinding[] {
  const { daemon, policy } = config;
  const listen = daemon?.listen;
  if (listen === undefined) return [];
  const found: ConfigFinding[] = [];
  const at = locate(["daemon", "listen"]);
  if (reachOf(parseListenAddress(listen).host) === "every_network") {
    found.push({
      level: "warning",
      code: "listen-everywhere",
      message: `The node listens on every network this machine is on (${listen})`,
      hint: "Name the address of your private network instead",
      ...at,
    });
  }
  if (policy === undefined || Object.keys(policy.principals).length === 0) {
    found.push({
      level: "warning",
      code: "nobody-allowed",
      message: "The node listens, but there are no principals: every call is denied",
      hint: "Add one under policy.principals, or make a code with: operon node invite",
      ...at,
    });
  }
  return found;
}

function judgeNodes({ config, locate }: LoadedConfig): ConfigFinding[] {
  return Object.entries(config.client?.nodes ?? {})
    .filter(([, node]) => node.key === undefined)
    .map(([name]) => ({
      level: "note",
      code: "node-unpinned",
      message: `Node ${name} has no key here: the key it shows first is pinned and believed from then on`,
      hint: "Add its key, as operon node info shows it on that machine",
      ...locate(["client", "nodes", name]),
    }));
}

function judgePrincipals(policy: CompiledPolicy, ownKey: string | undefined): ConfigFinding[] {
  if (ownKey === undefined || policy.principals.size === 0 || policy.principals.has(ownKey)) {
    return [];
  }
  return [
    {
      level: "note",
      code: "self-unknown",
      message: "This machine's own key is no principal, so local commands on this node are denied",
      hint: `Add it under policy.principals: ${ownKey}`,
    },
  ];
}
