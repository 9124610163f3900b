// Handlers of terminals: start the process that holds one, and let its owner look at it.
// It must never let others find it, unless policy's exec.session.visible_to names a role of theirs: it is missing then, not forbidden.
// Next: host.ts is that process; relay_session.ts relays what it shows.

import type { Call, Handlers } from "../../../contract/capability.ts";
import type { ExecSettings } from "../schema.ts";
import { maySee } from "../visibility.ts";
import { HostConnection } from "./connection.ts";
import type { attachedOperations } from "./operations.ts";
import type { SessionEnd } from "./protocol.ts";
import { relaySession } from "./relay_session.ts";
import { playRecording } from "./replay.ts";
import {
  endOf,
  findSession,
  isHosted,
  listSessions,
  type SessionDescription,
  sessionFolder,
} from "./session_record.ts";

type Needs = "mounts" | "settings" | "state" | "secrets";
type FailingCall = Pick<Call<never, Needs>, "principal" | "services"> & {
  fail(name: "missing_session"): Error;
};

/** One handler per operation of operations.ts. */
export const attachedHandlers: Handlers<typeof attachedOperations, Needs> = {
  async *attach({ id, from, read_only, rows, cols }, call) {
    const { description, folder } = visibleSession(id, call);
    const end = yield* relaySession({
      id,
      folder,
      from,
      isReadOnly: read_only,
      holds: false,
      isOwner: description.owner === call.principal.id,
      isNew: false,
      size: rows === undefined || cols === undefined || read_only ? undefined : { rows, cols },
      incoming: call.incoming,
      signal: call.signal,
    });
    if (!end) throw call.fail("session_lost", { id });
    return endingOf(id, end);
  },

  async sessions(_input, call) {
    const state = call.services.state.folder("exec");
    const visible = listSessions(state).filter((session) => isVisible(session, call));
    return { sessions: visible.map((session) => describe(state, session)) };
  },

  async resize({ id, rows, cols }, call) {
    const { folder } = visibleSession(id, call);
    using host = await HostConnection.open(folder);
    if (!host) throw call.fail("session_lost", { id });
    host.resize({ rows, cols });
    await host.heard();
    return {};
  },

  async hangup({ id }, call) {
    const { folder } = visibleSession(id, call);
    using host = await HostConnection.open(folder);
    if (host) {
      host.attach({ from: Number.MAX_SAFE_INTEGER, read_only: true, holds: false });
      host.hangup();
      for await (const event of host.events(call.signal)) {
        if (event.kind === "ended") return endingOf(id, event.end);
      }
    }
    const end = endOf(folder);
    if (!end) throw call.fail("session_lost", { id });
    return endingOf(id, end);
  },

  async *replay({ id, speed, idle_max_secs, raw }, call) {
    const { folder, description } = visibleSession(id, call);
    if (!description.is_recorded) throw call.fail("not_recorded", { id });
    let output_bytes = 0;
    for await (const bytes of playRecording(folder, {
      speed,
      idleMaxMs: idle_max_secs * 1000,
      isRaw: raw,
      signal: call.signal,
    })) {
      output_bytes += bytes.byteLength;
      yield { channel: "output", bytes };
    }
    return { output_bytes };
  },
};

/** What the output of a call says of an end. */
export function endingOf(id: string, end: SessionEnd) {
  const { exit_code, signal, timed_out = false, output_bytes, recording_failed } = end;
  const { protection, limits_enforced } = end;
  return {
    id,
    exit_code,
    ...(signal === undefined ? {} : { signal }),
    timed_out,
    output_bytes,
    ...(recording_failed ? { recording_failed } : {}),
    protection,
    limits_enforced,
  };
}

/** A session the caller may know of. @throws `exec.missing_session` */
function visibleSession(id: string, call: FailingCall) {
  const state = call.services.state.folder("exec");
  const description = findSession(state, id);
  if (!description || !isVisible(description, call)) throw call.fail("missing_session");
  return { description, folder: sessionFolder(state, id) };
}

function isVisible({ owner }: SessionDescription, call: Omit<FailingCall, "fail">): boolean {
  const { session } = call.services.settings.of("exec") as ExecSettings;
  return maySee(call.principal, { owner, visible_to: session.visible_to });
}

function describe(state: string, description: SessionDescription) {
  const { id, owner_name, argv, cwd, started_at, is_recorded } = description;
  const folder = sessionFolder(state, id);
  const end = endOf(folder);
  const live = isHosted(folder) ? ("running" as const) : ("lost" as const);
  return {
    id,
    state: end ? ("ended" as const) : live,
    owner: owner_name,
    command: [...argv],
    cwd,
    started_at,
    ...(end ? { ended_at: end.ended_at, exit_code: end.exit_code } : {}),
    is_recorded,
  };
}
