// What every way to start a command shares: its folder, its secrets, and the system's errors put into words.
// It must never resolve anything again: what is executed is what was decided.
// Next: handler.ts and detached/handler.ts use it.

import type { MountFolder, Services } from "../../contract/services.ts";
import { OperonError } from "../../error.ts";
import type { SecretValues } from "../../secret/redactor.ts";
import type { CommandFacts } from "./facts.ts";
import type { ConfinementOrder } from "./launch/confinement.ts";
import type { runErrors } from "./run_schema.ts";
import type { ExecSettings } from "./schema.ts";

/** As much of a call as it takes. */
export interface StartingCall {
  readonly services: Pick<Services, "mounts" | "secrets">;
  fail(
    name: keyof typeof runErrors,
    data?: Readonly<Record<string, unknown>>,
    cause?: unknown,
  ): OperonError;
}

/**
 * The values of the secrets a command is given, each once. Policy has allowed every one of them: they are accesses of the
 * call. @throws OperonError `exec.secret_unknown`, `exec.secret_unusable`
 */
export async function secretValues(
  names: readonly string[] | undefined,
  call: StartingCall,
): Promise<SecretValues> {
  const values: Record<string, string> = {};
  for (const name of new Set(names)) {
    try {
      values[name] = await call.services.secrets.value(name);
    } catch (thrown) {
      const isUnknown = thrown instanceof OperonError && thrown.code === "secret.unknown";
      throw call.fail(isUnknown ? "secret_unknown" : "secret_unusable", { name }, thrown);
    }
  }
  return values;
}

/** The folder a command runs in, pinned. @throws OperonError `exec.cwd_unusable` */
export function openFolder({ cwd }: CommandFacts, call: StartingCall): MountFolder {
  try {
    return call.services.mounts.folder(cwd ?? "");
  } catch (thrown) {
    throw call.fail("cwd_unusable", { cwd }, thrown);
  }
}

/** The folder as another process of this user reaches it, for as long as it is open here. */
export function pinned({ fd }: MountFolder): string {
  return `/proc/${process.pid}/fd/${fd}`;
}

/**
 * A declared error for what the system says when a command cannot be started; anything else as it
 * is.
 */
export function startError(
  thrown: unknown,
  { executable, call }: { executable: string; call: StartingCall },
): unknown {
  if (!(thrown instanceof Error) || !("syscall" in thrown) || !("code" in thrown)) return thrown;
  const data = { command: executable, reason: thrown.code };
  switch (thrown.code) {
    case "EPROTECT":
      return call.fail("protection_unavailable", { command: executable }, thrown);
    case "ENOENT":
    case "ENOTDIR":
      return call.fail("not_found", { ...data, exit_code: 127 }, thrown);
    case "EACCES":
    case "ENOEXEC":
    case "EPERM":
      return call.fail("not_executable", { ...data, exit_code: 126 }, thrown);
    case "E2BIG":
      return call.fail("too_long", data, thrown);
    default:
      return call.fail("spawn_failed", data, thrown);
  }
}

/** What policy says about confining commands, with what is to be kept from them. */
export function confinementOrder(
  { protect, new_privileges, limits }: ExecSettings,
  { services }: { readonly services: Pick<Services, "state"> },
): ConfinementOrder {
  return { protect, new_privileges, limits, own_paths: services.state.own_paths };
}
