// Policies for tests: YAML in, compiled policy and a short way to ask it out. Stand-in capabilities, real keys.

import { z } from "zod";
import { KeyPair } from "../identity/key.ts";
import { matchArgv } from "./argv.ts";
import type { CaveatDefinition } from "./caveat.ts";
import { compilePolicy } from "./compile.ts";
import type { CompiledPolicy } from "./compiled_policy.ts";
import { decide, type Question } from "./decide.ts";
import { locatedYaml } from "./located_yaml.ts";
import { PolicySchema } from "./schema.ts";

/** Key ids that are the same in every run. */
export const KEYS = {
  alice: keyId(1),
  bob: keyId(2),
  carol: keyId(3),
};

function keyId(seed: number): string {
  return KeyPair.fromSeed(new Uint8Array(32).fill(seed)).publicKey.id;
}

/** Operations of the stand-in capabilities. */
export const OPERATIONS = [
  { id: "fs.read", effect: "read" },
  { id: "fs.write", effect: "write" },
  { id: "fs.rm", effect: "destroy" },
  { id: "fs.copy", effect: "write" },
  { id: "exec.run", effect: "execute" },
  { id: "audit.list", effect: "read" },
] as const;

/** A caveat of each kind of trouble, and an `argv` that knows shells only as words. */
export const CAVEATS: Readonly<Record<string, Readonly<Record<string, CaveatDefinition>>>> = {
  exec: {
    argv: {
      summary: "The command is one of these",
      value: z.array(z.array(z.string()).min(1)).min(1),
      compile: (patterns: string[][]) => (facts) => {
        const argv = facts.argv;
        if (!Array.isArray(argv)) return "unknown";
        return patterns.some((pattern) => matchArgv(pattern, argv)) ? "holds" : "fails";
      },
      cannot_promise: "Words are compared, not what a shell makes of them",
    },
    cwd: {
      summary: "The folder",
      value: z.array(z.string()),
      compile: (folders: string[]) => (facts) =>
        facts.cwd === undefined
          ? "unknown"
          : folders.includes(String(facts.cwd))
            ? "holds"
            : "fails",
    },
    broken: {
      summary: "Always throws",
      value: z.literal(true),
      compile: () => () => {
        throw new Error("broken");
      },
    },
    odd: {
      summary: "Answers something that is no answer",
      value: z.literal(true),
      compile: () => () => "yes" as never,
    },
  },
};

const HEAD = `mounts:
  - { name: workspace, at: /, path: /w }
  - { name: data, at: /data, path: /d, read_only: true }
principals:
  alice: { key: "${KEYS.alice}", roles: [tester] }
`;

/** Compiles `roles` (YAML of the roles section, or of a whole policy section when it holds `roles:`). */
export async function policyOf(yaml: string): Promise<CompiledPolicy> {
  const text = /^roles:/m.test(yaml) ? yaml : `${HEAD}roles:\n${indent(yaml)}`;
  const { value, locate } = await locatedYaml(text, "config.yaml");
  const document = PolicySchema.parse(value);
  return compilePolicy(document, { caveats: CAVEATS, operations: OPERATIONS, locate });
}

/** Compiles one role `tester`, which alice has, from a YAML list of rules. */
export function rulesOf(yaml: string): Promise<CompiledPolicy> {
  return policyOf(`tester:\n${indent(yaml)}`);
}

function indent(text: string): string {
  return text.replace(/^/gm, "  ");
}

/** Asks as alice, `fs.read` on `fs:workspace/a.txt`, unless told otherwise. */
export function ask(policy: CompiledPolicy, question: Partial<Question> = {}) {
  return decide(policy, questionOf(question));
}

/** A whole question from the parts that matter. */
export function questionOf(question: Partial<Question> = {}): Question {
  return {
    principal_id: KEYS.alice,
    operation: "fs.read",
    effect: "read",
    accesses: [{ resource: "fs:workspace/a.txt" }],
    facts: {},
    now_ms: Date.UTC(2026, 0, 5, 12),
    usage: () => ({ calls: 0, bytes: 0, seconds: 0 }),
    ...question,
  };
}

/** The code of the OperonError a promise rejects with, or `none`. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "none";
  } catch (thrown) {
    return (thrown as { code?: string }).code ?? String(thrown);
  }
}
