// `operon doctor`: what is wrong with this machine's node and its way to the others, and what to do about it.
// It must never change anything; it exits with 1 when something is wrong.
// Next: doctor/ looks; this says where, asks the nodes and prints.

import type { ConfigReport } from "./config/explain.ts";
import type { Caller } from "./contract/caller.ts";
import type { Finding } from "./doctor/finding.ts";
import type { NodeAnswer } from "./doctor/node_checks.ts";
import type { TriedSecret } from "./doctor/secret_checks.ts";
import type { ListedService, TriedService } from "./doctor/service_checks.ts";
import { OperonError, toOperonError } from "./error.ts";
import type { Home } from "./identity/home.ts";
import { type ConfigVerbOptions, homeOf, registryParts } from "./surface/cli/config_parts.ts";
import { escapeText } from "./surface/cli/escape.ts";
import type { HandWrittenVerb, VerbContext, VerbInput } from "./surface/cli/verb.ts";

const NODE_TIMEOUT_MS = 5_000;
/** A service has ten seconds to take a connection unless its configuration says otherwise. */
const SERVICE_TIMEOUT_MS = 12_000;
/** A program that prints one has ten seconds. */
const SECRETS_TIMEOUT_MS = 30_000;
const PINGS = 3;

/** `doctor`. */
export function doctorVerbs(options: ConfigVerbOptions): readonly HandWrittenVerb[] {
  return [
    {
      path: ["doctor"],
      summary: "Look for what is wrong here and on the way to other nodes, with a fix for each",
      description:
        "Checks the configuration, private files, policy, audit log, disk, what commands are kept from, secrets, and every " +
        "known node at once: reachability, key, clock, version, services. Exits with 1 when there is a problem.",
      flags: [
        { name: "node", kind: "string", value: "NODE", summary: "Check the way to this node only" },
        {
          name: "mount-runtime",
          kind: "boolean",
          summary: "Check only what mounting a node's files needs; works without a configuration",
        },
      ],
      examples: ["doctor", "doctor --node gpu", "doctor --mount-runtime", "doctor --json"],
      run: (input, context) => runDoctor(input, { context, options }),
    },
  ];
}

interface Parts {
  readonly context: VerbContext;
  readonly options: ConfigVerbOptions;
}

async function runDoctor({ flags }: VerbInput, { context, options }: Parts): Promise<number> {
  const [{ reportOf, reportLines }, { checkMountRuntime }] = await Promise.all([
    import("./doctor/finding.ts"),
    import("./doctor/runtime_checks.ts"),
  ]);
  const node = flags.node as string | undefined;
  const findings =
    flags["mount-runtime"] === true
      ? checkMountRuntime()
      : node === undefined
        ? await everything({ context, options })
        : await nodes([node], context);
  const report = reportOf(findings);
  const { globals, stdio } = context;
  if (globals.json) await context.show(report);
  else if (!globals.quiet) {
    const lines = reportLines(report).map((line) => `${escapeText(line)}\n`);
    await stdio.stdout.write(lines.join(""));
  }
  return report.ok ? 0 : 1;
}

async function everything({ context, options }: Parts): Promise<readonly Finding[]> {
  const [local, { noteMountRuntime }, registry] = await Promise.all([
    import("./doctor/local_checks.ts"),
    import("./doctor/runtime_checks.ts"),
    options.registry(),
  ]);
  const home = homeOf(context);
  const { findings, report } = await local.checkConfig(context.globals.config ?? home.config_path, {
    ...registryParts(registry),
    home,
  });
  const hasHome = report.files.some(({ what, state }) => what === "home" && state !== "missing");
  const [audit, others] = await Promise.all([
    hasHome ? local.checkAudit(home, report.key) : undefined,
    report.ok ? remote(report, context) : [],
  ]);
  return [
    ...findings,
    ...(audit ? [audit] : []),
    ...(hasHome ? [local.checkSpace(home)] : []),
    ...(hasHome ? [await local.checkDaemon(home, report.exposure?.listen)] : []),
    ...(await containment(report, home)),
    ...noteMountRuntime(),
    ...others,
  ];
}

/** What commands of this home's node get; of its daemon, when one runs. */
async function containment(
  { file, values }: ConfigReport,
  home: Home,
): Promise<readonly Finding[]> {
  const [{ checkContainment }, { availableConfinement }, { lockHolder }] = await Promise.all([
    import("./doctor/runtime_checks.ts"),
    import("./capabilities/exec/launch/available.ts"),
    import("./node/lock.ts"),
  ]);
  const own = [home.path, file];
  return checkContainment(availableConfinement({ own, pid: lockHolder(home.lock_path) }), {
    platform: process.platform,
    isRoot: process.geteuid?.() === 0,
    protect: values.find(({ path }) => path === "policy.exec.protect")?.value,
  });
}

/** This node's own secrets and services, and all nodes it knows. */
async function remote(report: ConfigReport, context: VerbContext): Promise<readonly Finding[]> {
  // Without rights on its own node this user cannot ask it to ask others; the configuration's note says so.
  if (!report.principals.some((principal) => principal.is_self)) return [];
  await using caller = await context.connect();
  try {
    const call = caller.call("local", "node.list", {}, { signal: context.signal });
    const { nodes: known } = (await call.output) as {
      readonly nodes: readonly { readonly name: string; readonly state: string }[];
    };
    const names = known.filter(({ state }) => state !== "self").map(({ name }) => name);
    const asking = { caller, context };
    const found = await Promise.all([
      askSecrets(asking),
      ask(names, asking),
      askServices(["local", ...names], asking),
    ]);
    return found.flat();
  } catch (thrown) {
    const { message, hint } = toOperonError(thrown);
    return [
      { check: "node list", status: "warning", what: message, fix: hint ?? "See operon node list" },
    ];
  }
}

async function nodes(names: readonly string[], context: VerbContext): Promise<readonly Finding[]> {
  await using caller = await context.connect();
  const asking = { caller, context };
  return (await Promise.all([ask(names, asking), askServices(names, asking)])).flat();
}

interface Asking {
  readonly caller: Caller;
  readonly context: VerbContext;
}

async function askSecrets({ caller, context }: Asking): Promise<readonly Finding[]> {
  const { checkSecrets } = await import("./doctor/secret_checks.ts");
  const options = { signal: context.signal, timeout_ms: SECRETS_TIMEOUT_MS };
  return checkSecrets(async () => {
    const { output } = caller.call("local", "secret.check", {}, options);
    return ((await output) as { readonly secrets: readonly TriedSecret[] }).secrets;
  });
}

async function askServices(
  names: readonly string[],
  { caller, context }: Asking,
): Promise<readonly Finding[]> {
  const { checkServices } = await import("./doctor/service_checks.ts");
  const options = { signal: context.signal, timeout_ms: SERVICE_TIMEOUT_MS };
  return checkServices(names, {
    list: async (node) => {
      const { output } = caller.call(node, "service.list", {}, options);
      return ((await output) as { readonly services: readonly ListedService[] }).services;
    },
    check: async (node, id) =>
      (await caller.call(node, "service.check", { id }, options).output) as TriedService,
  });
}

async function ask(
  names: readonly string[],
  { caller, context }: Asking,
): Promise<readonly Finding[]> {
  const { checkNodes } = await import("./doctor/node_checks.ts");
  return checkNodes(names, {
    version: context.version,
    ask: async (node) => {
      const options = { signal: context.signal, timeout_ms: NODE_TIMEOUT_MS };
      const call = caller.call("local", "node.ping", { node, count: PINGS }, options);
      const answer = (await call.output) as Partial<NodeAnswer>;
      const { version, median_us, clock_offset_ms } = answer;
      if (version === undefined || median_us === undefined || clock_offset_ms === undefined)
        throw strange(node);
      return { version, median_us, clock_offset_ms };
    },
  });
}

function strange(node: string): OperonError {
  return new OperonError({
    code: "doctor.answer_invalid",
    kind: "internal",
    message: `${node} answered something that is no measurement`,
    hint: "Bring both to the same version",
  });
}
