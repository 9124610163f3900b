// What it takes to run a command, and what can be wrong with it: shared by all ways to run one.
// It must never do I/O.
// Next: schema.ts and detached/operations.ts have the operations.

import { z } from "zod";
import type { Access, CliShape } from "../../contract/operation.ts";
import { PATH_BYTES_MAX } from "../../limits.ts";
import { SECRETS_PER_COMMAND_MAX, SecretName } from "../../secret/reference.ts";

const WORDS_MAX = 4096;
/** The kernel's MAX_ARG_STRLEN, less its NUL: a longer word cannot be passed to a process. */
const WORD_CHARS_MAX = 131_071;
/** Longest time anybody may ask for (s). */
export const TIMEOUT_SECS_MAX = 24 * 60 * 60;

const noNul = (text: string) => !text.includes("\0");
/** One word of a command. */
export const Word = z.string().max(WORD_CHARS_MAX).refine(noNul, "must not contain NUL");
/** Name of an environment variable. */
export const EnvName = z
  .string()
  .max(128)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "a name of letters, digits and underscores");
/** A path of the node's machine. */
export const HostPath = z
  .string()
  .max(PATH_BYTES_MAX)
  .regex(/^\/[^\0]*$/, "an absolute path of this machine");
/** A path below the mounts. */
export const VirtualPath = z
  .string()
  .max(PATH_BYTES_MAX)
  .regex(/^\/[^\0]*$/, "a virtual path, starting with /");
/** A time a command may take. */
export const Seconds = z.number().positive().max(TIMEOUT_SECS_MAX);

/** Roles that may know of what others started. */
export const visibleTo = (what: string) =>
  z
    .array(z.string().min(1).max(64))
    .default([])
    .describe(`Roles that see and steer the ${what} of others, as far as rules let them`);

/** The flags of everything that runs a command. */
export const runFlags: NonNullable<CliShape["flags"]> = {
  argv: { hidden: true },
  command: { hidden: true },
  cwd: { form: "folder" },
  secrets: {
    flag: "secret",
    completes_from: { operation: "secret.list", field: "name", rows: "secrets" },
  },
};

/** A command, and where and how to run it. */
export const RunInput = z
  .strictObject({
    argv: z
      .array(Word)
      .min(1)
      .max(WORDS_MAX)
      .refine((argv) => argv[0] !== "", "the first word must not be empty")
      .optional()
      .describe("The command, word by word; no shell"),
    command: Word.min(1).optional().describe("A command line for the shell"),
    cwd: z
      .string()
      .max(PATH_BYTES_MAX)
      .optional()
      .describe("Virtual folder to run in; default: the first one policy allows"),
    env: z
      .record(EnvName, Word)
      .optional()
      .describe("Environment variables; only those policy allows"),
    secrets: z
      .array(SecretName)
      .max(SECRETS_PER_COMMAND_MAX)
      .optional()
      .describe(
        "Secrets of the node the command finds as variables; its output does not show them",
      ),
    timeout_secs: Seconds.optional().describe("Kill the command after this long"),
  })
  .refine(
    ({ argv, command }) => (argv === undefined) !== (command === undefined),
    "Give either argv or command",
  );

/** Whether a command had to be ended. */
export const TimedOut = z.boolean().describe("Its time limit ended it, and exit_code is 124");

/** What a result says of the limits and the protection that were in force. */
export const confinementFields = {
  protection: z
    .enum(["namespace", "landlock", "none"])
    .describe("What kept the command from the node's own files"),
  limits_enforced: z
    .partialRecord(
      z.enum(["memory_bytes", "pids", "cpu_secs", "open_files", "file_bytes"]),
      z.enum(["cgroup", "rlimit"]),
    )
    .describe("The limits of policy that held, and by what"),
};

interface SecretsOfRun {
  readonly secrets?: readonly string[] | undefined;
}

/** What running a command touches: each secret is decided by itself, so that who may run commands has none of them. */
export function accessesOfRun({ secrets = [] }: SecretsOfRun): readonly Access[] {
  const used = secrets.map((name) => ({ resource: `secret:${name}`, as: "secret.use" }));
  return [{ resource: "exec:default" }, ...used];
}

/** What can be wrong with a command. */
export const runErrors = {
  not_found: {
    kind: "not_found",
    message: "No such command on this node",
    hint: "Give its full path, or add its folder to policy.exec.path",
  },
  not_executable: {
    kind: "failed_precondition",
    message: "This file cannot be executed",
    hint: "Check its mode, and that a script starts with #!",
  },
  disabled: {
    kind: "permission_denied",
    message: "This node runs no commands",
    hint: "Its policy needs exec.roots: the folders commands may run in",
  },
  cwd_denied: {
    kind: "permission_denied",
    message: "Commands may not run in this folder",
    hint: "Choose a folder below one of policy.exec.roots",
  },
  cwd_unusable: {
    kind: "failed_precondition",
    message: "This folder cannot be a working directory",
    hint: "Check it with `operon fs stat NODE:PATH`",
  },
  env_denied: {
    kind: "permission_denied",
    message: "This environment variable may not be set",
    hint: "Policy lists those a caller may set in exec.env.allow; loader variables never are",
  },
  secret_unknown: {
    kind: "not_found",
    message: "This node has no such secret",
    hint: "`operon secret list NODE` shows those it has, `operon secret set NODE NAME` adds one",
  },
  secret_unusable: {
    kind: "failed_precondition",
    message: "This secret cannot be used now",
    hint: "`operon secret check NODE` says what is wrong with it",
  },
  timeout_exceeded: {
    kind: "permission_denied",
    message: "Policy does not let a command run this long",
    hint: "Ask for less with --timeout-secs, or raise policy.exec.max_timeout_secs",
  },
  too_long: {
    kind: "invalid_argument",
    message: "The command is longer than this system can pass on",
    hint: "Send long data as standard input instead of arguments",
  },
  output_limit: {
    kind: "resource_exhausted",
    message: "The command wrote more than policy allows and was killed",
    hint: "Write to a file on the node and fetch it with `operon fs read`",
  },
  protection_unavailable: {
    kind: "failed_precondition",
    message: "This node cannot confine commands as its policy requires",
    hint: "operon doctor says what is missing; a folder inside the node's home can never be protected from",
  },
  busy: {
    kind: "resource_exhausted",
    message: "This node already runs as many commands as it may",
    hint: "Try again later, or raise policy.exec.running_max",
  },
  spawn_failed: {
    kind: "unavailable",
    message: "The node could not start the command",
    hint: "Its machine may be out of processes, memory or descriptors",
  },
} as const;

/**
 * What starting a command another way than `run` asks for: itself, and to run the command. So a rule about commands need
 * not name every way there is, and none is a way around it.
 */
export const accessesOfCommand = (input: SecretsOfRun): readonly Access[] => [
  ...accessesOfRun(input),
  { resource: "exec:default", as: "exec.run" },
];
