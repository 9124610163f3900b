// Opens a terminal: resolves the shell where no command is given, starts the process that holds it.
// It must never put the environment on a command line: it may hold what nobody else should see.
// Next: host.ts is the process; handler.ts relays what it shows.

import { userInfo } from "node:os";
import { basename } from "node:path";
import { systemClock } from "../../../clock.ts";
import type { Call } from "../../../contract/capability.ts";
import type { Services } from "../../../contract/services.ts";
import { helperCommand } from "../../../self.ts";
import { buildEnvironment } from "../environment.ts";
import { type CommandFacts, commandFacts, type RunRequest } from "../facts.ts";
import type { ExecSettings } from "../schema.ts";
import { confinementOrder, openFolder, pinned, secretValues, startError } from "../start.ts";
import { endingOf } from "./handler.ts";
import type { HostAnswer, HostRequest } from "./host.ts";
import { relaySession, type SessionChunk } from "./relay_session.ts";
import type { sessionOperation } from "./session_operation.ts";
import {
  FILES,
  forgetSession,
  HOST_NAME,
  makeSessionFolder,
  newSessionId,
  type SessionDescription,
  tidySessions,
  writeWhole,
} from "./session_record.ts";

type SessionCall = Call<typeof sessionOperation, "mounts" | "settings" | "state" | "secrets">;

/** Facts of a session: those of its command, or of the user's shell. */
export function sessionFacts(
  input: RunRequest,
  services: Pick<Services, "mounts" | "settings">,
): CommandFacts & Readonly<Record<string, unknown>> {
  const settings = services.settings.of("exec") as ExecSettings | undefined;
  const isLogin = !input.argv && input.command === undefined;
  const shell = loginShell() ?? settings?.shell ?? "/bin/sh";
  const facts = commandFacts(isLogin ? { ...input, argv: [shell] } : input, services);
  return {
    ...facts,
    // Limits of commands nobody talks to are not a terminal's; a time that was asked for is judged as theirs.
    timeout_secs: input.timeout_secs ?? settings?.session.max_secs ?? facts.timeout_secs,
    // A dash makes it a login shell, as it does for login(1).
    ...(isLogin ? { argv0: `-${basename(shell)}` } : {}),
  };
}

/** The handler of `exec.session`. */
export async function* openSession(
  input: {
    readonly env?: Readonly<Record<string, string>> | undefined;
    readonly secrets?: readonly string[] | undefined;
    readonly rows: number;
    readonly cols: number;
    readonly term: string;
    readonly record: boolean;
    readonly ephemeral: boolean;
  },
  call: SessionCall,
): AsyncGenerator<SessionChunk, ReturnType<typeof endingOf>, undefined> {
  const facts = call.facts as unknown as CommandFacts;
  if (facts.problem) throw call.fail(facts.problem.error, facts.problem.data);
  if (process.platform !== "linux") throw call.fail("session_denied");
  const settings = call.services.settings.of("exec") as ExecSettings;
  const { running_max, record, recording_bytes_max, recordings_max } = settings.session;
  const state = call.services.state.folder("exec");
  const values = await secretValues(input.secrets, call);
  const { live, kept } = tidySessions(state);
  if (live >= running_max) throw call.fail("busy", { running_max });
  if (record && live + kept >= recordings_max)
    throw call.fail("recordings_full", { recordings_max });
  using cwd = openFolder(facts, call);
  const id = newSessionId();
  const folder = makeSessionFolder(state, id);
  const isRecorded = record || input.record;
  const { rows, cols, term } = input;
  try {
    const host_pid = await startHost({
      folder,
      cwd: pinned(cwd),
      executable: facts.executable ?? "",
      argv: [facts.argv0, ...facts.argv.slice(1)],
      env: { ...buildEnvironment(settings, process.env, input.env), ...values, TERM: term },
      secrets: values,
      size: { rows, cols },
      term,
      timeout_secs: facts.timeout_secs,
      confinement: confinementOrder(settings, call),
      recording_bytes_max: isRecorded ? recording_bytes_max : undefined,
    });
    const description: SessionDescription = {
      id,
      kind: "session",
      owner: call.principal.id,
      owner_name: call.principal.name,
      argv: facts.argv,
      cwd: facts.cwd ?? "/",
      started_at: new Date(systemClock.nowMs()).toISOString(),
      is_recorded: isRecorded,
      is_kept: record,
      is_ephemeral: input.ephemeral,
      host_pid,
    };
    writeWhole(folder, FILES.description, JSON.stringify(description));
  } catch (thrown) {
    forgetSession(folder);
    throw startError(thrown, { executable: facts.executable ?? "", call });
  }
  const end = yield* relaySession({
    id,
    folder,
    from: 0,
    isReadOnly: false,
    holds: input.ephemeral,
    isOwner: true,
    isNew: true,
    size: undefined,
    incoming: call.incoming,
    signal: call.signal,
  });
  if (!end) throw call.fail("session_lost", { id });
  if (end.recording_failed) throw call.fail("recording_failed", { id });
  return endingOf(id, end);
}

/** Resolves to the process's id once the command runs. @throws NodeJS.ErrnoException what the system said */
async function startHost(request: HostRequest): Promise<number> {
  const host = Bun.spawn(helperCommand(HOST_NAME), {
    // Not the command's folder: the process must not take anything from what lies there.
    cwd: "/",
    env: {},
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
    detached: true,
  });
  host.unref();
  host.stdin.write(JSON.stringify(request));
  await host.stdin.end();
  const { error } = await firstLine(host.stdout);
  if (error === undefined) return host.pid;
  throw Object.assign(new Error(`The session could not be started (${error})`), {
    code: error,
    syscall: "posix_spawn",
  });
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<HostAnswer> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    while (!text.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) return { error: "EIO" };
      text += decoder.decode(value, { stream: true });
    }
    return JSON.parse(text) as HostAnswer;
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function loginShell(): string | undefined {
  try {
    return userInfo().shell ?? undefined;
  } catch {
    return undefined;
  }
}
