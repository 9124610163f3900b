// Reads the value a reference names: each time it is used, so that a change needs no restart.
// It must never put a value, or what a program said, into an error; nor run a program through a shell.
// Next: reference.ts says what references there are; secrets.ts asks.

import { join } from "node:path";
import { OperonError } from "../error.ts";
import { readPrivateFile } from "../identity/private_file.ts";
import {
  FILE_BYTES_MAX,
  type SecretReference,
  VALUE_BYTES_MAX,
  VALUE_BYTES_MIN,
} from "./reference.ts";

/** How long a program may take to print a value (ms). */
const PROGRAM_MS = 10_000;
/** What a program that prints secrets finds in its environment: enough for a key ring, nothing that steers it. */
const PROGRAM_VARIABLES = ["HOME", "USER", "LOGNAME", "LANG", "XDG_RUNTIME_DIR"];
const PROGRAM_PATH = "/usr/local/bin:/usr/bin:/bin";
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Environment of this process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where a value is looked for. */
export interface ResolveOptions {
  readonly env: Environment;
  /** How long a program may take (ms). */
  readonly programMs?: number;
}

/** The bytes a reference names. @throws OperonError `secret.unusable`, `identity.file_*` */
export async function readReference(
  reference: SecretReference,
  options: ResolveOptions,
): Promise<Uint8Array> {
  if (typeof reference !== "string") return await printed(reference.exec, options);
  const { env } = options;
  const [, kind, rest = ""] = /^([a-z]+):(.*)$/s.exec(reference) ?? [];
  const maxBytes = FILE_BYTES_MAX;
  if (kind === "file") return readPrivateFile(rest, { maxBytes });
  if (kind === "env") {
    const value = env[rest];
    if (value === undefined) throw unusable(`the daemon has no variable ${rest}`);
    return new TextEncoder().encode(value);
  }
  const folder = env.CREDENTIALS_DIRECTORY;
  if (!folder) {
    throw unusable("the daemon was given no credentials ($CREDENTIALS_DIRECTORY)");
  }
  // systemd guards the folder and may let the file's group in by an ACL, which shows as its mode.
  return readPrivateFile(join(folder, rest), { maxBytes, privacy: "trusted" });
}

/**
 * Bytes as a value: text without NUL and without one newline at its end.
 * @throws OperonError `secret.unusable` when it is too short, too long, or no text
 */
export function toValue(bytes: Uint8Array): string {
  const hasNewline = bytes.at(-1) === LINE_FEED;
  const isCrLf = hasNewline && bytes.at(-2) === CARRIAGE_RETURN;
  const value = bytes.subarray(0, bytes.byteLength - (isCrLf ? 2 : hasNewline ? 1 : 0));
  if (value.byteLength < VALUE_BYTES_MIN) {
    throw unusable(`it has fewer than ${VALUE_BYTES_MIN} bytes, so output cannot be kept from it`);
  }
  if (value.byteLength > VALUE_BYTES_MAX) {
    throw unusable(`it has more than ${VALUE_BYTES_MAX} bytes`);
  }
  if (value.includes(0)) throw unusable("it has a NUL byte, which no variable can hold");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    throw unusable("it is no text (UTF-8)");
  }
}

/** A value that cannot be used; the caller of {@link readReference} adds whose it is. */
export function unusable(why: string): OperonError {
  return new OperonError({
    code: "secret.unusable",
    kind: "failed_precondition",
    message: `The secret cannot be used: ${why}`,
    hint: "operon secret check NODE on that node says what is wrong with each",
  });
}

async function printed(
  argv: readonly string[],
  { env, programMs = PROGRAM_MS }: ResolveOptions,
): Promise<Uint8Array> {
  const [program = ""] = argv;
  const kept = PROGRAM_VARIABLES.flatMap((name) =>
    env[name] === undefined ? [] : [[name, env[name]] as const],
  );
  let child: Bun.Subprocess<"ignore", "pipe", "ignore">;
  try {
    child = Bun.spawn([...argv], {
      cwd: "/",
      env: { ...Object.fromEntries(kept), PATH: PROGRAM_PATH },
      stdio: ["ignore", "pipe", "ignore"],
      // A group of its own: what it starts is ended with it.
      detached: true,
    });
  } catch {
    throw unusable(`${program} cannot be started`);
  }
  const reader = child.stdout.getReader();
  let why: string | undefined;
  const end = (reason: string) => {
    why ??= reason;
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // Gone already.
    }
    void reader.cancel().catch(() => {});
  };
  const timer = setTimeout(() => end(`took longer than ${programMs / 1000} s`), programMs);
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      size += value.byteLength;
      parts.push(value);
      if (size > FILE_BYTES_MAX) end(`printed more than ${VALUE_BYTES_MAX} bytes`);
    }
    const code = await child.exited;
    if (why === undefined && code !== 0) why = `exited with ${code}`;
  } finally {
    clearTimeout(timer);
  }
  if (why !== undefined) throw unusable(`${program} ${why}`);
  return Buffer.concat(parts);
}
