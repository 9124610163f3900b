// `operon daemon service …`: the node as a service of this machine or this user, started again when it fails.
// It must never put a secret into a definition, nor overwrite what it did not write.
// Next: supervision/ knows the managers; daemon_verbs.ts is what they start.

import { existsSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { OperonError } from "./error.ts";
import { NAME_LENGTH_MAX } from "./limits.ts";
import type { Manager, RunProgram } from "./supervision/manager.ts";
import { homeOf } from "./surface/cli/config_parts.ts";
import { askingOn } from "./surface/cli/question.ts";
import type { Flag, HandWrittenVerb, VerbContext, VerbInput } from "./surface/cli/verb.ts";

const NAME: Flag = {
  name: "name",
  kind: "string",
  value: "NAME",
  default: "operon",
  summary: "Name of the service; several homes on one machine need several",
};

const what =
  "As root it is a service of the system, started at boot; as anybody else one of the user, started at login.";

/** `daemon service …`. */
export const daemonServiceVerbs: readonly HandWrittenVerb[] = [
  verb("install", {
    summary: "Make this home's daemon a service: systemd, launchd or a scheduled task",
    description: `${what} The definition names the program and the home, and holds no secret. It is not started yet.`,
    flags: [{ name: "print", kind: "boolean", summary: "Show the definition, and change nothing" }],
    examples: [
      "daemon service install",
      "daemon service install --print",
      "--home /srv/operon daemon service install --name operon-b",
    ],
    run: runInstall,
  }),
  verb("start", {
    summary: "Start the service",
    examples: ["daemon service start"],
    run: (parts) => steer(parts, ({ start }) => [start], "Started"),
  }),
  verb("stop", {
    summary: "Stop the service; it starts again with the machine",
    examples: ["daemon service stop"],
    run: (parts) => steer(parts, ({ stop }) => [stop], "Stopped"),
  }),
  verb("restart", {
    summary: "Stop the service and start it again",
    examples: ["daemon service restart"],
    run: (parts) => steer(parts, ({ restart }) => restart, "Restarted"),
  }),
  verb("status", {
    summary: "Show whether the service runs; exits with 1 when it does not",
    examples: ["daemon service status", "daemon service status --json"],
    run: runStatus,
  }),
  verb("logs", {
    summary: "Show what the daemon said",
    flags: [
      { name: "follow", short: "f", kind: "boolean", summary: "Go on as it says more" },
      {
        name: "lines",
        short: "n",
        kind: "integer",
        default: 100,
        value: "N",
        summary: "How many lines",
      },
    ],
    examples: ["daemon service logs", "daemon service logs --follow"],
    run: runLogs,
  }),
  verb("uninstall", {
    summary: "Stop the service and remove it; home, key and log stay",
    examples: ["daemon service uninstall"],
    run: runUninstall,
  }),
];

interface Parts {
  readonly flags: VerbInput["flags"];
  readonly context: VerbContext;
  readonly manager: Manager;
  readonly name: string;
  readonly run: RunProgram;
}

interface VerbParts {
  readonly summary: string;
  readonly description?: string;
  readonly flags?: readonly Flag[];
  readonly examples: readonly string[];
  readonly run: (parts: Parts) => Promise<number>;
}

function verb(name: string, { flags = [], run, ...rest }: VerbParts): HandWrittenVerb {
  return {
    ...rest,
    path: ["daemon", "service", name],
    flags: [NAME, ...flags],
    run: async (input, context) => run(await partsOf(input, context)),
  };
}

async function partsOf({ flags }: VerbInput, context: VerbContext): Promise<Parts> {
  const { managerFor } = await import("./supervision/manager.ts");
  const name = flags.name as string;
  if (!/^[a-z][a-z0-9_-]*$/.test(name) || name.length > NAME_LENGTH_MAX) throw badName();
  const { globals, env } = context;
  const home = homeOf(context);
  const uid = process.getuid?.() ?? -1;
  const { programCommand } = await import("./self.ts");
  const config = globals.config === undefined ? [] : ["--config", resolve(globals.config)];
  const definition = {
    name,
    command: [...programCommand().map(realPath), "--home", home.path, ...config, "daemon", "start"],
    home: home.path,
    user_home: env.HOME ?? homedir(),
    scope: uid === 0 ? ("system" as const) : ("user" as const),
  };
  const configHome = env.XDG_CONFIG_HOME;
  const manager = managerFor(definition, {
    platform: process.platform,
    uid,
    ...(configHome ? { configHome } : {}),
  });
  return { flags, context, manager, name, run: runProgram };
}

async function runInstall({ flags, context, manager, run, name }: Parts): Promise<number> {
  const { written, kind } = manager;
  if (flags.print === true) {
    if (context.globals.json) await context.show(written);
    else await context.stdio.stdout.write(written.text);
    return 0;
  }
  await (await import("./identity/keystore.ts")).loadKey(homeOf(context).key_path);
  const { install, serviceCommand } = await import("./supervision/manager.ts");
  await install(manager, run);
  if (context.globals.json)
    await context.show({ manager: kind, service: name, definition: written.path });
  await context.note(`Installed ${written.path}; start it with: ${serviceCommand("start", name)}`);
  if (kind === "systemd" && process.getuid?.() !== 0)
    await context.note("To have it run while nobody is logged in: loginctl enable-linger");
  return 0;
}

async function steer(
  { context, ...parts }: Parts,
  commands: (manager: Manager) => readonly (readonly string[])[],
  done: string,
): Promise<number> {
  const { runAll } = await import("./supervision/manager.ts");
  await assertInstalled(parts);
  await runAll(commands(parts.manager), parts);
  await context.note(done);
  return 0;
}

async function runStatus({ context, manager, run, name }: Parts): Promise<number> {
  const { status } = await import("./supervision/manager.ts");
  const found = await status(manager, { name, run });
  await context.show(found);
  return found.is_running ? 0 : 1;
}

async function runLogs({ flags, context, ...parts }: Parts): Promise<number> {
  const { manager } = parts;
  // A journal has no lines of a service that never was, and would say nothing.
  await assertInstalled(parts);
  const command = manager.logs({ follow: flags.follow === true, lines: flags.lines as number });
  const child = Bun.spawn([...command], {
    stdio: ["ignore", "inherit", "inherit"],
    signal: context.signal,
  });
  const code = await child.exited;
  return context.signal.aborted ? 0 : code;
}

async function runUninstall({ context, manager, run, name }: Parts): Promise<number> {
  const { stdio, globals } = context;
  if (stdio.stdin.isTty && !globals.yes) {
    const answer = await askingOn(stdio).question(`Stop the service ${name} and remove it? [y/N] `);
    if (!/^y(es)?$/i.test(answer ?? "")) return 130;
  }
  const { uninstall } = await import("./supervision/manager.ts");
  if (!(await uninstall(manager, run))) throw await notInstalled({ manager, name });
  await context.note(`Removed ${manager.written.path}`);
  return 0;
}

async function assertInstalled(parts: Pick<Parts, "manager" | "name">): Promise<void> {
  if (!existsSync(parts.manager.written.path)) throw await notInstalled(parts);
}

async function notInstalled({ manager, name }: Pick<Parts, "manager" | "name">) {
  const { serviceCommand } = await import("./supervision/manager.ts");
  return new OperonError({
    code: "supervision.not_installed",
    kind: "not_found",
    message: `There is no such service: ${manager.written.path} does not exist`,
    hint: `Install it with: ${serviceCommand("install", name)}`,
  });
}

function badName(): OperonError {
  return new OperonError({
    code: "supervision.name_invalid",
    kind: "invalid_argument",
    message: "This is no name for a service",
    hint: "Use lower-case letters, digits, - and _, starting with a letter: operon-b",
  });
}

async function runProgram(command: readonly string[]) {
  try {
    const child = Bun.spawn([...command], { stdio: ["ignore", "pipe", "pipe"] });
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { code, stdout, stderr };
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === "ENOENT" ? "not found" : String(error);
    return { code: 127, stdout: "", stderr: `${command[0]}: ${reason}` };
  }
}

function realPath(word: string): string {
  try {
    return realpathSync(word);
  } catch {
    return word;
  }
}
