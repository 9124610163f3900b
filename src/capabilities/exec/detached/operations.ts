// What can be done with jobs: commands that outlive the call that started them.
// It must never do I/O, nor let a job of another principal be told from one that does not exist.
// Next: ../schema.ts joins these with `run`; handler.ts does them.

import { z } from "zod";
import { Moment } from "../../../contract/fields.ts";
import { bytes, operation, values } from "../../../contract/operation.ts";
import {
  accessesOfCommand,
  confinementFields,
  RunInput,
  runErrors,
  runFlags,
} from "../run_schema.ts";

const JobId = z
  .string()
  .regex(/^[a-z2-7]{8}$/, "an id as exec list shows it: 8 letters and digits")
  .describe("Id of the job");

const State = z
  .enum(["running", "exited", "cancelled", "timed_out", "output_limit", "failed", "lost"])
  .describe("lost: the process that looked after it is gone, and nobody knows how it ended");

const Job = z.strictObject({
  id: z.string(),
  state: State,
  owner: z.string(),
  command: z.string().describe("Its words, quoted as for a shell"),
  cwd: z.string(),
  started_at: Moment,
  ended_at: Moment.optional(),
  exit_code: z.int().optional(),
  signal: z.string().optional(),
  duration_ms: z.number().optional(),
  stdout_bytes: z.int().optional(),
  stderr_bytes: z.int().optional(),
  protection: confinementFields.protection.optional(),
  limits_enforced: confinementFields.limits_enforced.optional(),
  log_bytes: z.int().describe("What its output takes on the node's disk"),
});

const Piece = z.strictObject({
  sequence: z.int(),
  time: Moment,
  stream: z.enum(["stdout", "stderr"]),
  text: z.string().optional().describe("The bytes, when they are valid UTF-8"),
  base64: z.string().optional().describe("The bytes, when they are not"),
});

const unknown = {
  kind: "not_found",
  message: "There is no such job",
  hint: "operon exec list NODE shows your jobs there",
} as const;

const resource = ({ id }: { readonly id: string }) => `exec:job/${id}`;
const args = [
  { field: "id", completes_from: { operation: "exec.list", field: "id", rows: "jobs" } },
] as const;

function unknownJob(words: string) {
  const name = "knows no job that was never started";
  return [{ name, input: { id: "aaaaaaaa" }, error: "unknown", command: `exec ${words}` }];
}

/** The operations on jobs. */
export const jobOperations = {
  start: operation({
    summary: "Start a command that outlives this call, and print its id",
    description:
      "The command goes on when the caller leaves and when the node's daemon is restarted; its output is kept on the node, " +
      "up to policy's exec.jobs.log_bytes_max. Its input stays open until exec stdin --close. It may take as long as policy " +
      "lets a command take, unless --timeout-secs says less.",
    effect: "execute",
    input: RunInput,
    output: z.strictObject({ id: z.string() }),
    errors: {
      ...runErrors,
      jobs_full: {
        kind: "resource_exhausted",
        message: "This node keeps as many jobs as it may",
        hint: "Wait for one to end, cancel one, or raise policy.exec.jobs.max",
      },
    },
    resource: accessesOfCommand,
    cli: {
      node: "argument",
      rest: { argv: "argv", shell: "command" },
      flags: runFlags,
      variant_of: {
        operation: "run",
        flag: "detach",
        summary: "Let it go on without this call; prints its id",
      },
      view: { kind: "line", template: "{id}" },
    },
    examples: [
      {
        name: "starts a command and leaves",
        input: { command: "sleep 0.1" },
        command: "exec run local --detach -- 'sleep 0.1'",
      },
      {
        name: "reports a command that does not exist",
        input: { argv: ["no-such-command"] },
        error: "not_found",
        command: "exec run local --detach --argv -- no-such-command",
      },
    ],
  }),
  list: operation({
    summary: "List jobs, newest first",
    effect: "read",
    input: z.strictObject({
      state: State.optional(),
      limit: z.int().min(1).max(10_000).default(100).describe("At most this many"),
    }),
    output: z.strictObject({ jobs: z.array(Job) }),
    resource: () => "exec:jobs",
    cli: {
      node: "argument",
      view: {
        kind: "table",
        columns: ["id", "state", "exit_code", "started_at", "owner", "command"],
        rows: "jobs",
      },
    },
    examples: [{ name: "lists jobs", input: {}, command: "exec list local" }],
  }),
  status: operation({
    summary: "Show what a job is doing",
    effect: "read",
    input: z.strictObject({ id: JobId }),
    output: Job,
    errors: { unknown },
    resource,
    cli: { node: "argument", args },
    examples: unknownJob("status local aaaaaaaa"),
  }),
  logs: operation({
    summary: "Show the output of a job",
    description:
      "What is no longer kept is counted and said. With --json each piece has text, or base64 where it is no UTF-8.",
    effect: "read",
    lifetime: "unbounded",
    input: z.strictObject({
      id: JobId,
      follow: z.boolean().default(false).describe("Go on until the job ends"),
      from: z.int().min(0).optional().describe("First piece, by its number"),
      tail: z.int().min(0).max(1_000_000).optional().describe("Only the last so many lines"),
      stream: z.enum(["stdout", "stderr"]).optional().describe("Only this output"),
    }),
    sends: values(Piece),
    output: z.strictObject({
      state: State,
      exit_code: z.int().optional(),
      next_sequence: z.int().describe("Where a later call goes on"),
      dropped_records: z.int().describe("Pieces asked for that are no longer kept"),
      dropped_bytes: z
        .int()
        .describe("Bytes before the first piece that is kept, when it was asked for"),
    }),
    errors: { unknown },
    resource,
    cli: {
      node: "argument",
      args,
      flags: { follow: { short: "f" } },
      view: { kind: "output", channel: "stream", dropped: "dropped_bytes" },
    },
    examples: unknownJob("logs local aaaaaaaa --follow"),
  }),
  stdin: operation({
    summary: "Send input to a running job",
    effect: "write",
    lifetime: "unbounded",
    input: z.strictObject({
      id: JobId,
      close: z.boolean().default(false).describe("End its input after this"),
    }),
    receives: bytes(),
    output: z.strictObject({ accepted_bytes: z.int(), closed: z.boolean() }),
    errors: {
      unknown,
      ended: {
        kind: "failed_precondition",
        message: "The job takes no more input",
        hint: "It has ended, or its input was closed: operon exec status NODE ID",
      },
    },
    resource,
    cli: {
      node: "argument",
      args,
      receives: { text_flag: "content", file_flag: "file", stdin: "piped" },
      view: { kind: "none" },
    },
    examples: unknownJob("stdin local aaaaaaaa --content hello --close"),
  }),
  cancel: operation({
    summary: "End a job and everything it started",
    effect: "destroy",
    input: z.strictObject({ id: JobId }),
    output: Job,
    errors: { unknown },
    resource,
    cli: { node: "argument", args, view: { kind: "line", template: "{id} {state}" } },
    examples: unknownJob("cancel local aaaaaaaa"),
  }),
  wait: operation({
    summary: "Wait until a job ends, and exit as it did",
    effect: "read",
    lifetime: "unbounded",
    input: z.strictObject({ id: JobId }),
    output: z.strictObject({ ...Job.shape, exit_code: z.int() }),
    errors: { unknown },
    resource,
    cli: {
      node: "argument",
      args,
      exit_code: "exit_code",
      view: { kind: "line", template: "{id} {state}" },
    },
    examples: unknownJob("wait local aaaaaaaa"),
  }),
};

/** A job as callers see it. */
export type JobView = z.output<typeof Job>;
