// Resolves a command before policy decides: which file, which folder, with a shell or without.
// It must never have an effect, and never say no itself: what is wrong is noted as `problem`, so
// that a caller whom policy refuses learns nothing about this machine's files.
// Next: policy/command_caveats.ts tests these facts, run.ts acts on them and on nothing else.

import { basename } from "node:path";
import type { Services } from "../../contract/services.ts";
import { isWithin } from "../../policy/glob.ts";
import { callerMaySet, searchPath } from "./environment.ts";
import { type FoundCommand, lookUp } from "./lookup.ts";
import type { ExecSettings, operations } from "./schema.ts";
import { isShellBuiltin, quoteWords } from "./shell_words.ts";

/** Errors of `exec.run` that are known before it runs. */
export type ProblemName = Exclude<
  keyof (typeof operations)["run"]["errors"],
  "output_limit" | "busy" | "spawn_failed" | "too_long"
>;

/** Why the command cannot be run, found before policy decided, told after it. */
export interface Problem {
  readonly error: ProblemName;
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * What is known of a command before policy decides. Plain JSON: it is audited and may be kept until
 * approval.
 */
export interface CommandFacts {
  /**
   * The file as found (or the word, when nothing was), then the words after it; for a shell: shell,
   * `-c`, text.
   */
  readonly argv: readonly string[];
  /** Whether a shell interprets the last word. */
  readonly shell: boolean;
  /** Where the file was found; a link is not followed. */
  readonly path?: string;
  /** Bare words that mean this file on the configured path. */
  readonly names: readonly string[];
  /** The file itself when it is behind a link. */
  readonly links?: readonly string[];
  /** What will be executed. */
  readonly executable?: string;
  /** What the process is told its name is. */
  readonly argv0: string;
  /** Virtual folder it runs in; absent when it may not or cannot. */
  readonly cwd?: string;
  readonly timeout_secs: number;
  /** Names of the variables the caller sets; never their values. */
  readonly env_names: readonly string[];
  readonly problem?: Problem;
}

/**
 * What a shell exits with when it cannot run a command; the errors carry it as `data.exit_code`.
 */
const EXIT_CODES = { not_found: 127, not_executable: 126 } as const;

/** What a caller asks for: the input of `exec.run`. */
export interface RunRequest {
  readonly argv?: readonly string[] | undefined;
  readonly command?: string | undefined;
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly timeout_secs?: number | undefined;
}

/** Gathers the facts of a command. */
export function commandFacts(
  request: RunRequest,
  services: Pick<Services, "mounts" | "settings">,
): CommandFacts & Readonly<Record<string, unknown>> {
  const settings = services.settings.of("exec") as ExecSettings | undefined;
  const timeout_secs = request.timeout_secs ?? settings?.default_timeout_secs ?? 0;
  const env_names = Object.keys(request.env ?? {}).sort();
  const asked = { timeout_secs, env_names };
  if (!settings || settings.roots.length === 0) {
    const problem: Problem = { error: "disabled", data: {} };
    return { ...unresolved(request), ...asked, problem };
  }
  const folder = folderFacts(request.cwd ?? settings.roots[0]!, { settings, services });
  const command = resolveCommand(request, { settings, folder: folder.hostPath });
  const problem = folder.problem ?? requestProblem(asked, settings) ?? command.problem;
  return {
    ...command,
    ...asked,
    ...(folder.cwd === undefined ? {} : { cwd: folder.cwd }),
    ...(problem === undefined ? {} : { problem }),
  };
}

/** The facts of a job: nobody waits for it, so that it may take as long as policy lets it unless it is told otherwise. */
export function jobFacts(
  request: RunRequest,
  services: Pick<Services, "mounts" | "settings">,
): CommandFacts & Readonly<Record<string, unknown>> {
  const settings = services.settings.of("exec") as ExecSettings | undefined;
  const timeout_secs = request.timeout_secs ?? settings?.max_timeout_secs;
  return commandFacts({ ...request, timeout_secs }, services);
}

interface FolderFacts {
  readonly cwd?: string;
  readonly hostPath?: string;
  readonly problem?: Problem;
}

function folderFacts(
  asked: string,
  { settings, services }: { settings: ExecSettings; services: Pick<Services, "mounts"> },
): FolderFacts {
  const cwd = asked.length > 1 && asked.endsWith("/") ? asked.slice(0, -1) : asked;
  try {
    // Refuses spellings such as /a/../b before they are compared with the roots.
    services.mounts.locate(cwd);
    if (!settings.roots.some((root) => root === "/" || isWithin(cwd, root))) {
      return { problem: { error: "cwd_denied", data: { cwd } } };
    }
    using folder = services.mounts.folder(cwd);
    return { cwd, hostPath: folder.host_path };
  } catch (thrown) {
    const reason = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
    return { problem: { error: "cwd_unusable", data: { cwd, reason } } };
  }
}

function requestProblem(
  { timeout_secs, env_names }: Pick<CommandFacts, "timeout_secs" | "env_names">,
  settings: ExecSettings,
): Problem | undefined {
  const { max_timeout_secs } = settings;
  if (timeout_secs > max_timeout_secs) {
    return { error: "timeout_exceeded", data: { timeout_secs, max_timeout_secs } };
  }
  const denied = env_names.find((name) => !callerMaySet(name, settings));
  return denied === undefined ? undefined : { error: "env_denied", data: { name: denied } };
}

type CommandPart = Omit<CommandFacts, "timeout_secs" | "env_names">;

function resolveCommand(
  request: RunRequest,
  { settings, folder }: { settings: ExecSettings; folder: string | undefined },
): CommandPart {
  const path = searchPath(settings, process.env);
  if (request.argv) {
    const word = request.argv[0]!;
    const lookup = lookUp(word, path, folder);
    if (lookup.kind === "found") return resolved(request.argv, lookup.command, path);
    if (lookup.kind !== "not_found" || !isShellBuiltin(word)) {
      return {
        ...unresolved(request),
        problem: {
          error: lookup.kind,
          data: { command: word, exit_code: EXIT_CODES[lookup.kind] },
        },
      };
    }
  }
  const text = request.command ?? quoteWords(request.argv ?? []);
  const words = [settings.shell, "-c", text];
  const lookup = lookUp(settings.shell, path);
  if (lookup.kind === "found") return { ...resolved(words, lookup.command, path), shell: true };
  return {
    ...unresolved({ command: text }),
    problem: {
      error: lookup.kind,
      data: { command: settings.shell, exit_code: EXIT_CODES[lookup.kind] },
    },
  };
}

function resolved(
  words: readonly string[],
  { path, executable }: FoundCommand,
  folders: readonly string[],
): CommandPart {
  const name = basename(path);
  const meant = lookUp(name, folders);
  const isMeant = meant.kind === "found" && meant.command.path === path;
  return {
    argv: [path, ...words.slice(1)],
    shell: false,
    path,
    names: isMeant ? [name] : [],
    ...(executable === path ? {} : { links: [executable] }),
    executable,
    argv0: words[0]!,
  };
}

/** What can be said of a command whose file is not known: its words, taken as they are. */
function unresolved({ argv, command }: RunRequest): CommandPart {
  const words = argv ?? ["sh", "-c", command ?? ""];
  const word = words[0]!;
  return {
    argv: words,
    shell: argv === undefined,
    // Nothing will be executed, so a bare word may stand for itself: who may run `make` is told
    // that it is missing.
    names: word.includes("/") ? [] : [word],
    argv0: word,
  };
}
