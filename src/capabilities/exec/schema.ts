// What `exec` can do, as data: run a command on a node, with live output, input and exit code.
// It must never do I/O; what a command may be is decided by policy.ts and the rules.
// Next: facts.ts resolves a command before policy decides, run.ts runs it.

import { z } from "zod";
import { bytes, operation } from "../../contract/operation.ts";
import { PATH_BYTES_MAX } from "../../limits.ts";

const WORDS_MAX = 4096;
/** The kernel's MAX_ARG_STRLEN, less its NUL: a longer word cannot be passed to a process. */
const WORD_CHARS_MAX = 131_071;
const TIMEOUT_SECS_MAX = 24 * 60 * 60;
const TIMEOUT_SECS_DEFAULT = 30;
const RUNNING_MAX_DEFAULT = 128;

const noNul = (text: string) => !text.includes("\0");
const Word = z.string().max(WORD_CHARS_MAX).refine(noNul, "must not contain NUL");
const EnvName = z
  .string()
  .max(128)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "a name of letters, digits and underscores");
const HostPath = z
  .string()
  .max(PATH_BYTES_MAX)
  .regex(/^\/[^\0]*$/, "an absolute path of this machine");
const VirtualPath = z
  .string()
  .max(PATH_BYTES_MAX)
  .regex(/^\/[^\0]*$/, "a virtual path, starting with /");
const Seconds = z.number().positive().max(TIMEOUT_SECS_MAX);

/**
 * The section `policy.exec` of the configuration. Without it, or without roots, nothing may be run.
 */
export const settings = z.strictObject({
  roots: z
    .array(VirtualPath)
    .default([])
    .describe("Virtual folders commands may run in; the first is the default"),
  env: z
    .strictObject({
      allow: z
        .array(EnvName)
        .default([])
        .describe("Variables taken over from the daemon, and those a caller may set"),
      set: z.record(EnvName, Word).default({}).describe("Variables every command gets"),
    })
    .default({ allow: [], set: {} }),
  shell: HostPath.default("/bin/sh").describe("Shell for command strings"),
  path: z
    .array(HostPath)
    .min(1)
    .optional()
    .describe("Folders in which commands are looked up; also the PATH they see"),
  default_timeout_secs: Seconds.default(TIMEOUT_SECS_DEFAULT),
  max_timeout_secs: Seconds.default(TIMEOUT_SECS_MAX),
  output_bytes_max: z
    .int()
    .positive()
    .optional()
    .describe("A command that writes more is killed; default: no limit, nothing is kept in memory"),
  running_max: z.int().min(1).max(4096).default(RUNNING_MAX_DEFAULT),
  background: z
    .enum(["keep", "kill"])
    .default("keep")
    .describe("What happens to processes a command leaves behind when it ends by itself"),
});

/** The parsed settings. */
export type ExecSettings = z.output<typeof settings>;

const RunInput = z
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
    timeout_secs: Seconds.optional().describe("Kill the command after this long"),
  })
  .refine(
    ({ argv, command }) => (argv === undefined) !== (command === undefined),
    "Give either argv or command",
  );

const RunOutput = z.strictObject({
  /** As a shell has it: 128 + n after signal n, 124 after a timeout. */
  exit_code: z.int(),
  signal: z.string().optional(),
  timed_out: z.boolean(),
  duration_ms: z.number(),
  stdout_bytes: z.int(),
  stderr_bytes: z.int(),
  /** The file that was executed. */
  resolved: z.string(),
});

/** The operations of `exec`. */
export const operations = {
  run: operation({
    summary: "Run a command and pass its output, input and exit code through",
    description:
      "One word after `--` is a command line for the shell, several are run as they are, without one. " +
      "The command sees a cleared environment and only the three standard streams. When the call is " +
      "cancelled, times out or loses its caller, the command and all its children are killed.",
    effect: "execute",
    lifetime: "unbounded",
    input: RunInput,
    sends: bytes(["stdout", "stderr"]),
    receives: bytes(),
    output: RunOutput,
    errors: {
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
    },
    resource: () => "exec:default",
    cli: {
      node: "argument",
      rest: { argv: "argv", shell: "command" },
      flags: { argv: { hidden: true }, command: { hidden: true } },
      receives: { stdin: "piped" },
      exit_code: "exit_code",
      shell: { part: "command" },
      view: { kind: "bytes" },
    },
    examples: [
      {
        name: "runs a shell command",
        input: { command: "echo hello" },
        command: "exec run local -- 'echo hello'",
      },
      {
        name: "runs a command without a shell",
        input: { argv: ["printf", "%s\\n", "hello world"] },
        command: "exec run local -- printf '%s\\n' 'hello world'",
      },
      {
        name: "reports a command that does not exist",
        input: { argv: ["no-such-command"] },
        error: "not_found",
        command: "exec run local --argv -- no-such-command",
      },
      {
        name: "refuses a variable the loader would obey",
        input: { argv: ["true"], env: { LD_PRELOAD: "/tmp/evil.so" } },
        error: "env_denied",
        command: "exec run local --env LD_PRELOAD=/tmp/evil.so -- 'true'",
      },
    ],
  }),
};
