// What secrets are called, and where one may be kept besides the store: as data of the configuration.
// It must never hold a value, nor accept a name that would steer the process it is given to.
// Next: resolve.ts reads what a reference names; config/schema.ts has the section.

import { z } from "zod";
import { PATH_BYTES_MAX } from "../limits.ts";
import { steersProcess } from "../steering_variable.ts";

const NAME_CHARS_MAX = 64;
const WORDS_MAX = 64;

/** Shortest value that can be kept out of output (bytes): a shorter one turns up there by chance, and can be guessed. */
export const VALUE_BYTES_MIN = 8;
/** Longest value (bytes): half of what the kernel takes as one variable. */
export const VALUE_BYTES_MAX = 64 * 1024;
/** Longest file that holds one value (bytes): the newline at its end is none of it. */
export const FILE_BYTES_MAX = VALUE_BYTES_MAX + 2;
/** Secrets one command may be given. */
export const SECRETS_PER_COMMAND_MAX = 16;

/** Name of a secret; also the variable a command finds it in. */
export const SecretName = z
  .string()
  .max(NAME_CHARS_MAX)
  .regex(/^[A-Z_][A-Z0-9_]*$/, "a name of capitals, digits and underscores, as DEPLOY_TOKEN")
  .refine((name) => !steersProcess(name), "a name that steers no process, as PATH or LD_* do");

const Reference = z
  .string()
  .max(PATH_BYTES_MAX)
  .regex(
    /^(?:file:[^\0]+|env:[A-Za-z_][A-Za-z0-9_]*|credential:[A-Za-z0-9_][A-Za-z0-9._-]*)$/,
    "write file:PATH, env:VARIABLE or credential:NAME; or { exec: [PROGRAM, WORD, …] }",
  );

const Program = z.strictObject({
  exec: z
    .array(
      z
        .string()
        .max(PATH_BYTES_MAX)
        .regex(/^[^\0]*$/),
    )
    .min(1)
    .max(WORDS_MAX)
    .refine(([program]) => program?.startsWith("/"), "start with the program's full path")
    .describe("A program that prints the value, word by word; no shell"),
});

/** Where a value is kept: a private file, a variable of the daemon, a systemd credential, a program that prints it. */
export const SecretReference = z.union([Reference, Program]);

/** See {@link SecretReference}. */
export type SecretReference = z.output<typeof SecretReference>;

/** How a secret is kept. */
export const SECRET_KINDS = ["store", "file", "env", "credential", "exec"] as const;

/** One of {@link SECRET_KINDS}. */
export type SecretKind = (typeof SECRET_KINDS)[number];

/** The kind of a reference. */
export function kindOf(reference: SecretReference): SecretKind {
  if (typeof reference !== "string") return "exec";
  return reference.slice(0, reference.indexOf(":")) as SecretKind;
}

/** The host path a reference names, when it is a file's. */
export function filePathOf(reference: SecretReference): string | undefined {
  const isFile = typeof reference === "string" && reference.startsWith("file:");
  return isFile ? reference.slice("file:".length) : undefined;
}

/** The host paths references name. */
export function filePathsOf(names: Readonly<Record<string, SecretReference>>): readonly string[] {
  return Object.values(names).flatMap((reference) => filePathOf(reference) ?? []);
}
