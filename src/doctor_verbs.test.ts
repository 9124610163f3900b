import { expect, test } from "bun:test";
import { doctorVerbs } from "./doctor_verbs.ts";
import { type Answer, runCase } from "./surface/cli/cli.fixture.ts";

const evil = "\u001b]0;x\u0007\r\u009b2J\u202e\nNothing is wrong";
const spelled = "\\x1b]0;x\\x07\\r\\x9b2J\\u202e\\nNothing is wrong";
const verbs = doctorVerbs({ registry: () => Promise.reject(new Error("No node of its own")) });
/** Answers for every question: the way to the node, its services, whether one answers. */
const answer = {
  version: "1.0.0",
  median_us: 900,
  clock_offset_ms: 0,
  services: [{ id: "web", target: "127.0.0.1:80", available: true }],
  state: "down",
  detail: "refused",
};

/** What is found on the way to a scripted node. */
async function findings(node: string, answers: readonly Answer[]) {
  const { stdout } = await runCase({
    argv: ["doctor", "--node", node],
    capabilities: [],
    verbs,
    answers,
  });
  expect(stdout.replaceAll("\n", "")).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
  expect(stdout).toContain(spelled);
  expect(stdout).not.toMatch(/^Nothing is wrong/m);
  return stdout;
}

test.each([
  ["version", { version: evil }, "Answers in 0.9 ms, version "],
  ["service", { services: [{ ...answer.services[0], id: evil }] }, "✗ service "],
  ["address", { services: [{ ...answer.services[0], target: evil }] }, "Does not answer ("],
  ["reason", { detail: evil }, "Does not answer (127.0.0.1:80 on gpu): "],
])("attack 27: escapes in the %s that a node tells of are spelled out", async (_, told, before) => {
  expect(await findings("gpu", [{ output: { ...answer, ...told } }])).toContain(before + spelled);
});

test.each(["message", "hint"] as const)(
  "attack 27: escapes in the %s of a node's error are spelled out",
  async (field) => {
    const plain = {
      code: "box.io",
      kind: "internal",
      message: "It broke",
      hint: "Mend it",
    } as const;
    const found = await findings("gpu", [{ error: { ...plain, [field]: evil } }]);
    expect(found).toContain(`${field === "hint" ? "fix: " : "✗ node gpu  "}${spelled}\n`);
  },
);

test("attack 27: escapes in the name that was asked about are spelled out", async () => {
  await findings(evil, [{ output: answer }]);
});
