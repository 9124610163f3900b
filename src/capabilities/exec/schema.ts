// What `exec` can do, as data: run a command on a node, with live output, input and exit code; jobs that outlive their caller.
// It must never do I/O; what a command may be is decided by policy/command_caveats.ts and the rules.
// Next: facts.ts resolves a command before policy decides, run.ts runs it; detached/ has what outlives its caller.

import { z } from "zod";
import { bytes, operation } from "../../contract/operation.ts";
import { jobOperations } from "./detached/operations.ts";
import {
  accessesOfRun,
  confinementFields,
  EnvName,
  HostPath,
  RunInput,
  runErrors,
  runFlags,
  Seconds,
  TIMEOUT_SECS_MAX,
  TimedOut,
  VirtualPath,
  visibleTo,
  Word,
} from "./run_schema.ts";

import { sessionSettings } from "./session/operations.ts";
import { sessionOperations } from "./session/session_operation.ts";

const TIMEOUT_SECS_DEFAULT = 30;
const RUNNING_MAX_DEFAULT = 128;
const JOB_LOG_BYTES_DEFAULT = 16 * 1024 * 1024;

const Limit = z.int().positive();

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
  protect: z
    .enum(["auto", "required", "off"])
    .default("auto")
    .describe(
      "Keep commands from the node's own files (key, secrets, audit log, configuration): where this machine can, " +
        "or refuse to run any where it cannot. required also keeps them from signalling what other calls started",
    ),
  new_privileges: z
    .boolean()
    .default(false)
    .describe("Whether commands may gain rights by sudo and other setuid programs"),
  limits: z
    .strictObject({
      memory_bytes: Limit.min(1024 * 1024)
        .optional()
        .describe("Of all its processes with a control group, of each without"),
      pids: Limit.optional().describe("Processes and threads; only with a control group"),
      cpu_secs: Limit.optional().describe("Processor time of each process"),
      open_files: Limit.min(8).optional().describe("Descriptors of each process"),
      file_bytes: Limit.optional().describe("Size of a file it writes"),
    })
    .default({})
    .describe("What a command may use; its result says which of these were enforced, and how"),
  running_max: z.int().min(1).max(4096).default(RUNNING_MAX_DEFAULT),
  background: z
    .enum(["keep", "kill"])
    .default("keep")
    .describe("What happens to processes a command leaves behind when it ends by itself"),
  jobs: z
    .strictObject({
      max: z
        .int()
        .min(1)
        .max(10_000)
        .default(1000)
        .describe("Jobs kept; the oldest ended ones make room"),
      log_bytes_max: z
        .int()
        .min(1024 * 1024)
        .default(JOB_LOG_BYTES_DEFAULT)
        .describe("Output kept of a job; the oldest goes first, and is counted"),
      visible_to: visibleTo("jobs"),
    })
    .default({ max: 1000, log_bytes_max: JOB_LOG_BYTES_DEFAULT, visible_to: [] }),
  session: sessionSettings,
});

/** The parsed settings. */
export type ExecSettings = z.output<typeof settings>;

const RunOutput = z.strictObject({
  /** As a shell has it: 128 + n after signal n, 124 after a timeout. */
  exit_code: z.int(),
  signal: z.string().optional(),
  timed_out: TimedOut,
  duration_ms: z.number(),
  stdout_bytes: z.int(),
  stderr_bytes: z.int(),
  /** The file that was executed. */
  resolved: z.string(),
  ...confinementFields,
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
    errors: runErrors,
    resource: accessesOfRun,
    cli: {
      node: "argument",
      rest: { argv: "argv", shell: "command" },
      flags: runFlags,
      receives: { stdin: "piped" },
      exit_code: "exit_code",
      time_limit: { ended: "timed_out", secs: "timeout_secs" },
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
  ...jobOperations,
  ...sessionOperations,
};
