// Terminals on a node, as data: open one, look at it again, resize it, end it, see its recording.
// It must never do I/O; whose sessions somebody may touch is decided by handler.ts: one's own, unless policy says more.
// Next: handler.ts serves them; host.ts is the process behind each session.

import { z } from "zod";
import { bytes, operation } from "../../../contract/operation.ts";
import { confinementFields, TimedOut, visibleTo } from "../run_schema.ts";

const SIZE_MAX = 4096;
const POSITION_MAX = Number.MAX_SAFE_INTEGER;

const Rows = z.int().min(1).max(SIZE_MAX).describe("Height of the terminal in cells");
const Cols = z.int().min(1).max(SIZE_MAX).describe("Width of the terminal in cells");
const SessionId = z
  .string()
  .regex(/^s[0-9a-z]{12}$/, "the id of a session, as `operon exec sessions` lists them");

/** A terminal is somebody's working day, not a command with a deadline (s). */
const SESSION_SECS_DEFAULT = 7 * 24 * 60 * 60;
/** Timers hold 2^31 ms; one that was set to more would end the session at once. */
const SESSION_SECS_MAX = 24 * 24 * 60 * 60;

const RECORDINGS_MAX_DEFAULT = 10_000;

/** Settings of sessions: `policy.exec.session`. */
export const sessionSettings = z
  .strictObject({
    record: z
      .boolean()
      .default(false)
      .describe("Every session is recorded; one that cannot be is ended"),
    max_secs: z
      .int()
      .min(1)
      .max(SESSION_SECS_MAX)
      .default(SESSION_SECS_DEFAULT)
      .describe("Longest time of a session that is given no --timeout-secs"),
    recording_bytes_max: z
      .int()
      .min(4096)
      .default(256 * 1024 * 1024)
      .describe("A session whose recording is longer is ended"),
    recordings_max: z
      .int()
      .min(1)
      .max(100_000)
      .default(RECORDINGS_MAX_DEFAULT)
      .describe("Recordings that `record` requires are kept; with this many, no session is opened"),
    running_max: z.int().min(1).max(4096).default(64),
    visible_to: visibleTo("sessions"),
  })
  .default({
    record: false,
    recording_bytes_max: 256 * 1024 * 1024,
    recordings_max: RECORDINGS_MAX_DEFAULT,
    running_max: 64,
    max_secs: SESSION_SECS_DEFAULT,
    visible_to: [],
  });

const Ending = z.strictObject({
  id: z.string(),
  /** As a shell has it: 128 + n after signal n, 124 after a timeout. */
  exit_code: z.int(),
  signal: z.string().optional(),
  timed_out: TimedOut,
  /** Bytes the terminal showed since it was opened. */
  output_bytes: z.int(),
  recording_failed: z.boolean().optional(),
  protection: confinementFields.protection.optional(),
  limits_enforced: confinementFields.limits_enforced.optional(),
});

const missing = {
  kind: "not_found",
  message: "You have no such session on this node",
  hint: "`operon exec sessions NODE` lists those there are",
} as const;

const lost = {
  kind: "unavailable",
  message: "The process that held this session's terminal is gone",
  hint: "It was killed, or the machine was started anew; open another session",
} as const;

/** A session by its id. */
const args = [
  { field: "id", completes_from: { operation: "exec.sessions", field: "id", rows: "sessions" } },
] as const;

/** The operations of `exec` that are about terminals; `session` takes what `run` takes, and its errors. */
export const attachedOperations = {
  attach: operation({
    summary: "Look at a session again, and go on typing in it",
    description:
      "The output goes on at byte --from, so that nothing is lost or comes twice; without it with all " +
      "that is kept, the last MiB. Several may look at once. ~. at the start of a line leaves.",
    effect: "execute",
    lifetime: "unbounded",
    input: z.strictObject({
      id: SessionId,
      from: z
        .int()
        .min(0)
        .max(POSITION_MAX)
        .optional()
        .describe("Position of the first byte wanted, counted from the session's beginning"),
      read_only: z.boolean().default(false).describe("Only look: keys do nothing"),
      rows: Rows.optional(),
      cols: Cols.optional(),
    }),
    sends: bytes(["output", "control"]),
    receives: bytes(),
    output: Ending,
    errors: { missing_session: missing, session_lost: lost },
    resource: ({ id }) => `exec:session/${id}`,
    cli: {
      node: "argument",
      args,
      receives: { stdin: "piped" },
      exit_code: "exit_code",
      time_limit: { ended: "timed_out" },
      terminal: { rows: "rows", cols: "cols", resize: "exec.resize", again: "exec.attach" },
      view: { kind: "bytes" },
    },
    examples: [
      {
        name: "reports a session there is not",
        input: { id: "s000000000000" },
        error: "missing_session",
        command: "exec attach local s000000000000",
      },
    ],
  }),
  sessions: operation({
    summary: "List sessions, oldest first",
    effect: "read",
    input: z.strictObject({}),
    output: z.strictObject({
      sessions: z.array(
        z.strictObject({
          id: z.string(),
          state: z.enum(["running", "ended", "lost"]),
          owner: z.string(),
          command: z.array(z.string()),
          cwd: z.string(),
          started_at: z.string(),
          ended_at: z.string().optional(),
          exit_code: z.int().optional(),
          is_recorded: z.boolean(),
        }),
      ),
    }),
    resource: () => "exec:default",
    cli: {
      node: "argument",
      view: {
        kind: "table",
        columns: ["id", "state", "exit_code", "started_at", "owner", "command"],
        rows: "sessions",
      },
    },
    examples: [{ name: "lists sessions", input: {}, command: "exec sessions local" }],
  }),
  resize: operation({
    summary: "Tell a session the size of its terminal",
    effect: "execute",
    input: z.strictObject({ id: SessionId, rows: Rows, cols: Cols }),
    output: z.strictObject({}),
    errors: { missing_session: missing, session_lost: lost },
    resource: ({ id }) => `exec:session/${id}`,
    cli: { node: "argument", args, view: { kind: "none" } },
    examples: [
      {
        name: "reports a session there is not",
        input: { id: "s000000000000", rows: 24, cols: 80 },
        error: "missing_session",
        command: "exec resize local s000000000000 --rows 24 --cols 80",
      },
    ],
  }),
  hangup: operation({
    summary: "End a session with everything it started",
    effect: "execute",
    input: z.strictObject({ id: SessionId }),
    output: Ending,
    errors: { missing_session: missing, session_lost: lost },
    resource: ({ id }) => `exec:session/${id}`,
    cli: { node: "argument", args },
    examples: [
      {
        name: "reports a session there is not",
        input: { id: "s000000000000" },
        error: "missing_session",
        command: "exec hangup local s000000000000",
      },
    ],
  }),
  replay: operation({
    summary: "Show a session's recording as it was, or save it",
    description:
      "Plays the recording in this terminal; input was never recorded. With --raw it is sent as it is " +
      "kept: asciicast v2, which other players take, too.",
    effect: "read",
    lifetime: "unbounded",
    input: z.strictObject({
      id: SessionId,
      speed: z.number().min(0.1).max(1000).default(1).describe("How many times as fast"),
      idle_max_secs: z
        .number()
        .min(0)
        .max(3600)
        .default(5)
        .describe("Longer pauses are made this short"),
      raw: z.boolean().default(false).describe("Send the recording's file"),
    }),
    sends: bytes(["output"]),
    output: z.strictObject({ output_bytes: z.int() }),
    errors: {
      missing_session: missing,
      not_recorded: {
        kind: "failed_precondition",
        message: "This session was not recorded",
        hint: "`policy.exec.session.record: true` has every session recorded, --record one of them",
      },
    },
    resource: ({ id }) => `exec:session/${id}`,
    cli: { node: "argument", args, view: { kind: "bytes", screen: true } },
    examples: [
      {
        name: "reports a session there is not",
        input: { id: "s000000000000" },
        error: "missing_session",
        command: "exec replay local s000000000000",
      },
    ],
  }),
};

/** What `session` takes beside a command. */
export const sessionFields = {
  rows: Rows.default(24),
  cols: Cols.default(80),
  term: z
    .string()
    .regex(/^[A-Za-z0-9._+-]{1,64}$/, "a terminal's name")
    .default("xterm-256color")
    .describe("TERM of the command"),
  record: z
    .boolean()
    .default(false)
    .describe("Record what the terminal shows; policy may require it"),
  ephemeral: z
    .boolean()
    .default(false)
    .describe("End it when its first caller leaves, instead of keeping it for `attach`"),
};

/** Output of `session`. */
export const sessionOutput = Ending;

/** Errors only `session` has. */
export const sessionErrors = {
  session_denied: {
    kind: "permission_denied",
    message: "This node opens no terminals",
    hint: "Sessions need Linux on the node; commands without a terminal run with `operon exec run`",
  },
  recordings_full: {
    kind: "resource_exhausted",
    message: "This node keeps as many required recordings as it may",
    hint: "Move the oldest out of state/exec in the node's home, or raise exec.session.recordings_max",
  },
  recording_failed: {
    kind: "unavailable",
    message: "The session must be recorded and cannot be",
    hint: "The node's disk may be full, or the recording as long as policy lets it be",
  },
} as const;
