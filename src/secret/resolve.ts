// Reads the value a reference names: each time it is used, so that a change needs no restart.
// It must never put a value, or what a program said, into an error; nor run a program through a shell.
// Next: reference.ts says what references there are; secrets.ts asks.

import { join } from "node:path";
import { OperonError } from "../error.ts";
import { type PrivateFileOptions, readPrivateFile } from "../identity/private_file.ts";
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
  if (kind === "file") {
    const hint = "Put the value there (mode 0600), or correct secrets.names in the configuration";
    return readPresent(rest, { maxBytes, hint });
  }
  if (kind === "env") {
    const value = env[rest];
    if (value === undefined) {
      throw unusable(
        `the daemon has no variable ${rest}`,
        `Set ${rest} where the daemon is started and start it again, or correct secrets.names in the configuration`,
      );
    }
    return new TextEncoder().encode(value);
  }
  const folder = env.CREDENTIALS_DIRECTORY;
  const hint = `Run the daemon as a systemd service with LoadCredential=${rest}:PATH or SetCredentialEncrypted=, and restart it`;
  if (!folder) {
    throw unusable("the daemon was given no credentials ($CREDENTIALS_DIRECTORY)", hint);
  }
  // systemd guards the folder and may let the file's group in by an ACL, which shows as its mode.
  return readPresent(join(folder, rest), { maxBytes, privacy: "trusted", hint });
}

/** A private file. @throws OperonError `secret.unusable` with the hint when it is not there; `identity.file_*` */
function readPresent(
  path: string,
  { hint, ...options }: PrivateFileOptions & { readonly hint: string },
): Uint8Array {
  try {
    return readPrivateFile(path, options);
  } catch (error) {
    const isMissing = error instanceof OperonError && error.code === "identity.file_missing";
    throw isMissing ? unusable(`there is no ${path}`, hint) : error;
  }
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
    throw unusable(
      `it has fewer than ${VALUE_BYTES_MIN} bytes, so it could not be kept out of output`,
      `Use a value of at least ${VALUE_BYTES_MIN} bytes; what is shorter would be found in output by chance`,
    );
  }
  if (value.byteLength > VALUE_BYTES_MAX) {
    throw unusable(`it has more than ${VALUE_BYTES_MAX} bytes`, TOO_LONG_HINT);
  }
  if (value.includes(0)) throw unusable("it has a NUL byte, which no variable can hold", TEXT_HINT);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    throw unusable("it is no text (UTF-8)", TEXT_HINT);
  }
}

/** A value that cannot be used; the caller of {@link readReference} adds whose it is. */
function unusable(why: string, hint: string): OperonError {
  return new OperonError({
    code: "secret.unusable",
    kind: "failed_precondition",
    message: `The secret cannot be used: ${why}`,
    hint,
  });
}

const TEXT_HINT = "Keep it encoded as text, in base64 say, and have the command decode it";
const TOO_LONG_HINT =
  "A secret is a key, a token, a password; keep what is longer in a file of its own";

const LATE_HINT = "It has to print the value by itself: nobody is there to answer what it may ask";
const FAILED_HINT = `Run it as the daemon's user to see what it says; it has a PATH of ${PROGRAM_PATH} and no variables but ${PROGRAM_VARIABLES.join(", ")}`;

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
    throw unusable(
      `${program} cannot be started`,
      `Check that ${program} is there and that the daemon's user may execute it; see secrets.names in the configuration`,
    );
  }
  const reader = child.stdout.getReader();
  let failure: OperonError | undefined;
  const end = (reason: string, hint: string) => {
    failure ??= unusable(`${program} ${reason}`, hint);
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // Gone already.
    }
    void reader.cancel().catch(() => {});
  };
  const late = `took longer than ${programMs / 1000} s`;
  const timer = setTimeout(() => end(late, LATE_HINT), programMs);
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      size += value.byteLength;
      parts.push(value);
      if (size > FILE_BYTES_MAX) {
        end(
          `printed more than ${VALUE_BYTES_MAX} bytes`,
          "It has to print the value and nothing else",
        );
      }
    }
    const code = await child.exited;
    if (code !== 0) failure ??= unusable(`${program} exited with ${code}`, FAILED_HINT);
  } finally {
    clearTimeout(timer);
  }
  if (failure) throw failure;
  return Buffer.concat(parts);
}
