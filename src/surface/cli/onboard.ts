// `operon onboard`: makes a home with a key, a configuration and a workspace, and says what that opens.
// It must never overwrite a key, open more than it was told to, or touch anything before all of it is known to be possible.
// Next: onboard_plan.ts decides what is to be made, onboard_perform.ts makes it; config/template.ts has the text.

import { OperonError } from "../../error.ts";
import { parseName } from "../../identity/name.ts";
import { type ConfigVerbOptions, homeOf, registryParts } from "./config_parts.ts";
import { escapeText } from "./escape.ts";
import { type OnboardResult, performOnboarding } from "./onboard_perform.ts";
import { type OnboardAnswers, type OnboardPlan, planOnboarding } from "./onboard_plan.ts";
import { type Asking, askingOn } from "./question.ts";
import { usageError } from "./usage_error.ts";
import type { VerbContext, VerbInput } from "./verb.ts";

/** Where a new node listens unless told otherwise: this machine only can reach it. */
export const DEFAULT_LISTEN = "127.0.0.1:7789";
/** What a machine can be for. */
export const MACHINE_ROLES = ["daemon", "client", "both"] as const;

/** Runs `onboard`. @throws OperonError `onboard.*`, `cli.*`, `identity.*`, `config.*` */
export async function runOnboard(
  input: VerbInput,
  context: VerbContext,
  options: ConfigVerbOptions,
): Promise<number> {
  const { globals, stdio } = context;
  if (globals.config !== undefined) {
    throw usageError(
      "value_invalid",
      "onboard writes config.yaml into the home folder, so --config has no meaning here",
      "Name the folder with --output-dir",
    );
  }
  const isAsking = !globals.yes && stdio.stdin.isTty;
  if (!globals.yes && !isAsking) throw confirmationNeeded();
  const asking = isAsking ? askingOn(stdio) : undefined;
  const given = answersOf(input, context);
  const plan = planOnboarding(asking ? await ask(given, asking) : given);
  if (asking && !(await confirm(plan, asking))) {
    await stdio.stderr.write("Nothing was changed\n");
    return 1;
  }
  const result = await performOnboarding(plan, registryParts(await options.registry()));
  if (globals.json) await context.show(result);
  else if (!globals.quiet) await stdio.stdout.write(renderResult(result));
  return 0;
}

function answersOf({ flags }: VerbInput, context: VerbContext): OnboardAnswers {
  const text = (name: string) => {
    const value = flags[name];
    if (value !== "") return typeof value === "string" ? value : undefined;
    throw usageError("value_invalid", `--${name} is empty`, "Give it a value, or leave it out");
  };
  return {
    role: parseRole(text("role") ?? "both"),
    homePath: text("output-dir") ?? homeOf(context).path,
    nodeId: text("node-id") ?? "local",
    workspace: text("workspace") ?? "~/operon-workspace",
    listen: text("listen") ?? DEFAULT_LISTEN,
    isForced: flags.force === true,
    userHome: context.env.HOME,
    given: new Set(Object.keys(flags).filter((name) => flags[name] !== undefined)),
  };
}

function parseRole(text: string): OnboardAnswers["role"] {
  const role = MACHINE_ROLES.find((known) => known === text);
  if (role) return role;
  throw usageError(
    "value_invalid",
    `A machine's role cannot be "${text.slice(0, 40)}"`,
    `Write one of ${MACHINE_ROLES.join(", ")}`,
  );
}

/** Asks for what no flag gave; an empty line takes what stands in brackets. */
async function ask(given: OnboardAnswers, asking: Asking): Promise<OnboardAnswers> {
  const unless = async (flag: string, text: string, preset: string) => {
    if (given.given.has(flag)) return preset;
    const line = await asking.question(`${text} [${escapeText(preset)}]: `);
    if (line === undefined) throw confirmationNeeded();
    return line === "" ? preset : line;
  };
  const role = parseRole(
    await unless("role", "Serve, call, or both (daemon/client/both)", given.role),
  );
  if (role === "client") return { ...given, role };
  return {
    ...given,
    role,
    nodeId: parseName(await unless("node-id", "Name of this node", given.nodeId), "node"),
    workspace: await unless("workspace", "Folder others may be given access to", given.workspace),
    listen: await unless("listen", "Address and port to listen on", given.listen),
  };
}

async function confirm(plan: OnboardPlan, asking: Asking): Promise<boolean> {
  const lines = [...plan.intentions, ...plan.warnings.map((warning) => `Warning: ${warning}`)];
  const text = lines.map((line) => escapeText(line)).join("\n");
  return /^y(es)?$/i.test((await asking.question(`${text}\nGo on? [y/N] `)) ?? "");
}

function renderResult(result: OnboardResult): string {
  const lines = [
    ...result.created.map((path) => `Created ${path}`),
    ...result.kept.map((path) => `Kept    ${path}`),
    `Key     ${result.key}`,
    "",
    "What this opens:",
    ...result.opens.map((line) => `  ${line}`),
    ...result.warnings.map((line) => `  Warning: ${line}`),
    "What stays closed:",
    ...result.closed.map((line) => `  ${line}`),
    "",
    "Next:",
    ...result.next.map((line) => `  ${line}`),
  ];
  return `${lines.map((line) => escapeText(line)).join("\n")}\n`;
}

function confirmationNeeded(): OperonError {
  return new OperonError({
    code: "onboard.confirmation_needed",
    kind: "failed_precondition",
    message: "There is no terminal to ask on, and onboard makes a key and a configuration",
    hint: "Pass --yes to take the defaults for what no flag gives",
  });
}
