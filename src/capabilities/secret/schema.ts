// What `secret` can do, as data: name secrets, keep and drop values, tell what is wrong with them.
// It must never have an output a value could be in.
// Next: handler.ts does it; secret/ in the source root keeps them; exec gives them to commands.

import { z } from "zod";
import { bytes, operation } from "../../contract/operation.ts";
import { SECRET_KINDS, SecretName } from "../../secret/reference.ts";

const Name = SecretName.describe("Capitals, digits and underscores; also the variable's name");
const Kind = z.enum(SECRET_KINDS).describe("store: the node's own file of secrets");
const resource = ({ name }: { readonly name: string }) => `secret:${name}`;
const args = [
  { field: "name", completes_from: { operation: "secret.list", field: "name", rows: "secrets" } },
] as const;

const unknown = {
  kind: "not_found",
  message: "There is no such secret",
  hint: "`operon secret list NODE` shows those there are",
} as const;
const unusable = {
  kind: "failed_precondition",
  message: "The secret cannot be used",
  hint: "It needs 8 bytes to 64 KiB of text, and a source the daemon can read",
} as const;
const configured = {
  kind: "failed_precondition",
  message: "The configuration says where this secret is found",
  hint: "Change it there, or take it out of secrets.names first",
} as const;
/** The operations of `secret`. */
export const operations = {
  list: operation({
    summary: "List the names of a node's secrets",
    effect: "read",
    input: z.strictObject({}),
    output: z.strictObject({
      secrets: z.array(z.strictObject({ name: z.string(), kind: Kind })),
    }),
    resource: () => "secret:*",
    cli: { node: "argument", view: { kind: "table", columns: ["name", "kind"], rows: "secrets" } },
    examples: [{ name: "lists secrets", input: {}, command: "secret list local" }],
  }),
  check: operation({
    summary: "Look whether each secret can be used, and say what is wrong",
    description:
      "Reads each one where it is kept, as a command would need it: files, variables, credentials, programs. " +
      "The exit code is 0 when all can be used, else 1.",
    effect: "read",
    input: z.strictObject({}),
    output: z.strictObject({
      ok: z.boolean(),
      secrets: z.array(
        z.strictObject({
          name: z.string(),
          kind: Kind,
          ok: z.boolean(),
          problem: z.string().optional(),
          hint: z.string().optional(),
        }),
      ),
      /** 1 when one cannot be used. */
      exit_code: z.int(),
    }),
    resource: () => "secret:*",
    cli: {
      node: "argument",
      exit_code: "exit_code",
      view: { kind: "table", columns: ["name", "kind", "ok", "problem"], rows: "secrets" },
    },
    examples: [{ name: "checks all secrets", input: {}, command: "secret check local" }],
  }),
  set: operation({
    summary: "Keep a secret on a node; the value comes from standard input",
    description:
      "One newline at its end is no part of it. On a terminal the value is asked for and not shown. Running commands keep " +
      "the value they were started with.",
    effect: "write",
    input: z.strictObject({ name: Name }),
    receives: bytes(),
    output: z.strictObject({ name: z.string() }),
    errors: { unusable, configured },
    resource,
    cli: {
      node: "argument",
      args,
      receives: { stdin: "always", hidden: true },
      view: { kind: "none" },
    },
    examples: [
      {
        name: "refuses a value too short to be kept out of output",
        input: { name: "TOKEN" },
        error: "unusable",
      },
    ],
  }),
  remove: operation({
    summary: "Forget a secret a node keeps",
    effect: "destroy",
    input: z.strictObject({ name: Name }),
    output: z.strictObject({ name: z.string() }),
    errors: { unknown, configured },
    resource,
    cli: { node: "argument", args, view: { kind: "none" } },
    examples: [
      {
        name: "reports a secret there is not",
        input: { name: "NO_SUCH_SECRET" },
        error: "unknown",
        command: "secret remove local NO_SUCH_SECRET",
      },
    ],
  }),
  use: operation({
    summary: "Be given a secret in commands; by itself only looks whether it can be used",
    description:
      "What a rule allows who may have a secret in the environment of a command: `exec run --secret NAME` asks for it " +
      "beside exec.run, for each name.",
    effect: "read",
    input: z.strictObject({ name: Name }),
    output: z.strictObject({ name: z.string() }),
    errors: { unknown, unusable },
    resource,
    cli: { node: "argument", args, hidden: true },
    examples: [
      {
        name: "reports a secret there is not",
        input: { name: "NO_SUCH_SECRET" },
        error: "unknown",
      },
    ],
  }),
};
