import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BOX } from "./surface/cli/box.fixture.ts";
import { type Answer, runCase } from "./surface/cli/cli.fixture.ts";
import { workflowVerbs } from "./workflow_verbs.ts";

const evil = "\u001b]0;x\u0007\r\u009b2J\u202e\n[2/2] fake";
const spelled = "\\x1b]0;x\\x07\\r\\x9b2J\\u202e\\n[2/2] fake";

/** A file of one step, run on a scripted node. */
async function run(step: Readonly<Record<string, string>>, answers: readonly Answer[]) {
  const folder = mkdtempSync(join(tmpdir(), "operon-run-"));
  try {
    const file = join(folder, "workflow.json");
    writeFileSync(file, JSON.stringify({ name: "n", steps: [step] }));
    const argv = ["run", file, "--home", join(folder, "home")];
    return await runCase({ argv, capabilities: [BOX], verbs: workflowVerbs, answers });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const step = { id: "one", node: "gpu", action: "box.open", path: "/x" };

function expectHarmless(text: string): void {
  expect(text.replaceAll("\n", "")).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
}

test("run tells of each step, of the error and hint of one that failed, and of the trace", async () => {
  const fine = await run(step, [{ output: {} }]);
  expect(fine.exitCode).toBe(0);
  expect(fine.stderr).toMatch(
    /^\[1\/1\] one: box\.open on gpu ok \d+ ms\ntrace [0-9a-f]{32};.*\n$/,
  );
  const error = { code: "box.io", kind: "internal", message: "It broke", hint: "Mend it" } as const;
  const failed = await run(step, [{ error }]);
  expect(failed.exitCode).toBe(1);
  expect(failed.stderr).toMatch(/ error \d+ ms\nerror: It broke\nhint: Mend it\ntrace /);
});

test.each(["message", "hint"])(
  "attack 27: escapes in the %s of a step's error are spelled out",
  async (field) => {
    const plain = {
      code: "box.io",
      kind: "internal",
      message: "It broke",
      hint: "Mend it",
    } as const;
    const { stderr } = await run(step, [{ error: { ...plain, [field]: evil } }]);
    expect(stderr).toContain(`${field === "hint" ? "hint" : "error"}: ${spelled}\n`);
    expect(stderr.split("\n").length).toBe(5);
    expectHarmless(stderr);
  },
);

test("attack 27: escapes in the node that a step names are spelled out", async () => {
  const { stderr } = await run({ ...step, node: evil }, [{ output: {} }]);
  expect(stderr).toContain(`box.open on ${spelled} ok`);
  expect(stderr.split("\n").length).toBe(3);
  expectHarmless(stderr);
});

test("attack 27: an id or an action with escapes in it is refused, and the refusal spells them out", async () => {
  for (const more of [{ id: `one${evil}` }, { action: `box.open${evil}` }, { [evil]: "x" }]) {
    const { exitCode, stderr, calls } = await run({ ...step, ...more }, []);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("workflow.file_invalid");
    expect(calls).toEqual([]);
    expectHarmless(stderr);
  }
});
