import { describe, expect, test } from "bun:test";
import { describeOperation, OPERATIONS } from "./caller.fixture.ts";
import { planWorkflow } from "./plan.ts";
import { parseWorkflow } from "./schema.ts";

const operationIds = OPERATIONS.map(({ id }) => id);

async function plan(text: string, inputs?: Readonly<Record<string, unknown>>) {
  const workflow = await parseWorkflow(text, "w.yaml");
  return planWorkflow(workflow, {
    describe: describeOperation,
    operationIds,
    ...(inputs ? { inputs } : {}),
  });
}

describe("planWorkflow() accepts", () => {
  test("a file of the earlier system, unchanged", async () => {
    const planned = await plan(`
name: hello
steps:
  - id: write
    node: local
    action: fs.write
    path: /notes.txt
    content: "hello\\n"
  - node: local
    action: fs.read
    path: /notes.txt
  - id: run
    node: gpu
    action: exec.run
    command: cat notes.txt | wc -c
    cwd: /
    timeout_secs: 5
    secrets: [TOKEN]
`);
    expect(planned).toEqual({
      name: "hello",
      inputs: {},
      steps: [
        {
          id: "write",
          node: "local",
          operation: "fs.write",
          input: { path: "/notes.txt" },
          content: "hello\n",
          allow_exit: [],
          needs: [],
        },
        {
          id: "step-2",
          node: "local",
          operation: "fs.read",
          input: { path: "/notes.txt" },
          allow_exit: [],
          needs: [],
        },
        {
          id: "run",
          node: "gpu",
          operation: "exec.run",
          input: {
            command: "cat notes.txt | wc -c",
            cwd: "/",
            timeout_secs: 5,
            secrets: ["TOKEN"],
          },
          allow_exit: [],
          needs: [],
        },
      ],
    });
  });

  test("JSON, a command as words, and a timeout the action does not know", async () => {
    const planned = await plan(
      JSON.stringify({
        name: "x",
        steps: [
          { node: "a", action: "exec.run", command: ["echo", "$HOME"], allow_exit: [1] },
          { node: "a", action: "fs.read", path: "/a", timeout_secs: 2 },
        ],
      }),
    );
    expect(planned.steps[0]).toMatchObject({ input: { argv: ["echo", "$HOME"] }, allow_exit: [1] });
    expect(planned.steps[1]).toMatchObject({ input: { path: "/a" }, timeout_ms: 2000 });
  });

  test("references to earlier steps and inputs, and notes what a step needs", async () => {
    const planned = await plan(
      `
name: x
inputs: { where: /a, count: null }
steps:
  - { id: read.it, node: a, action: fs.read, path: "\${{ inputs.where }}" }
  - { id: run, node: a, action: exec.run, command: [head, "-c\${{ inputs.count }}", "\${{ steps.read.it.output.version }}"] }
  - { node: a, action: fs.write, path: "/\${{steps.run.stdout}}", content: "\${{ steps.read.it.content }}" }
  - { node: a, action: fs.write, path: /literal, content: "$\${{ github.token }}" }
`,
      { count: 5 },
    );
    expect(planned.inputs).toEqual({ where: "/a", count: 5 });
    expect(planned.steps.map(({ needs }) => needs)).toEqual([
      [],
      ["read.it"],
      ["run", "read.it"],
      [],
    ]);
  });
});

test("planWorkflow() reads inputs given as text as the type of their default", async () => {
  const text =
    "name: x\ninputs: {n: 1, b: true, s: a, any: null}\nsteps: [{node: a, action: fs.list}]";
  const { inputs } = await plan(text, { n: "2.5", b: "false", s: "7", any: "8" });
  expect(inputs).toEqual({ n: 2.5, b: false, s: "7", any: "8" });
});

describe("a workflow file is refused before anything runs", () => {
  const steps = "name: x\nsteps:\n";
  const cases: readonly [string, string, string, string?][] = [
    ["no YAML", "name: [", "w.yaml:1"],
    ["no map", "- a", "The file"],
    ["an alias bomb's shape: duplicate keys", "name: a\nname: b\nsteps: []", "w.yaml:2"],
    ["no steps", "name: x\nsteps: []", "w.yaml:2: steps"],
    [
      "an unknown key at the top",
      "name: x\nstep: []\nsteps: [{node: a, action: fs.read, path: /}]",
      "w.yaml:2: Unknown key step",
      "steps",
    ],
    [
      "a step without a node",
      `${steps}  - action: fs.read\n    path: /a`,
      "w.yaml:3: steps.0.node",
    ],
    ["an action that is none", `${steps}  - {node: a, action: read}`, "steps.0.action"],
    [
      "an unknown action",
      `${steps}  - node: a\n    action: fs.reed\n    path: /`,
      "w.yaml:4: Unknown action fs.reed",
      "fs.read",
    ],
    [
      "an unknown key of a step",
      `${steps}  - node: a\n    action: fs.read\n    pth: /a`,
      "w.yaml:5: fs.read has no pth",
      "path",
    ],
    [
      "a key that reaches for the prototype",
      `${steps}  - node: a\n    action: fs.list\n    __proto__: {path: /}`,
      "__proto__ is refused",
    ],
    ["a missing field", `${steps}  - node: a\n    action: fs.read`, "w.yaml:3: fs.read needs path"],
    [
      "a value of the wrong type",
      `${steps}  - node: a\n    action: fs.read\n    path: 5`,
      "w.yaml:5: path of fs.read must be a string",
    ],
    [
      "a number that is no integer",
      `${steps}  - {node: a, action: fs.read, path: /, length_bytes: 1.5}`,
      "must be an integer",
    ],
    [
      "content for what takes none",
      `${steps}  - {node: a, action: fs.read, path: /, content: x}`,
      "takes no content",
    ],
    [
      "two steps of one id",
      `${steps}  - {id: a, node: a, action: fs.list}\n  - {id: a, node: a, action: fs.list}`,
      "w.yaml:4: Two steps have the id a",
    ],
    [
      "a given id like a derived one",
      `${steps}  - {id: step-2, node: a, action: fs.list}\n  - {node: a, action: fs.list}`,
      "Two steps have the id step-2",
    ],
    ["an id with a slash", `${steps}  - {id: ../a, node: a, action: fs.list}`, "steps.0.id"],
    [
      "a reference to no step",
      `${steps}  - {node: a, action: fs.list, path: "\${{ steps.no.output.a }}"}`,
      "names no earlier step",
    ],
    [
      "a reference to a later step",
      `${steps}  - {node: a, action: fs.list, path: "\${{ steps.b.output.a }}"}\n  - {id: b, node: a, action: fs.list}`,
      "names no earlier step",
    ],
    [
      "a reference to itself",
      `${steps}  - {id: b, node: a, action: fs.list, path: "\${{ steps.b.items }}"}`,
      "names no earlier step",
    ],
    [
      "a reference to an unknown field",
      `${steps}  - {id: b, node: a, action: fs.read, path: /}\n  - {node: a, action: fs.list, path: "\${{ steps.b.output.sise_bytes }}"}`,
      "does not return. Did you mean size_bytes?",
    ],
    [
      "a reference to an unknown stream",
      `${steps}  - {id: b, node: a, action: fs.read, path: /}\n  - {node: a, action: fs.list, path: "\${{ steps.b.stdout }}"}`,
      "names a stream fs.read does not have",
    ],
    [
      "a reference to an unknown input",
      `${steps}  - {node: a, action: fs.list, path: "\${{ inputs.no }}"}`,
      "names no input",
    ],
    [
      "a reference that is code",
      `${steps}  - {node: a, action: fs.list, path: "\${{ process.env }}"}`,
      "names no earlier step",
    ],
    [
      "a reference that is not closed",
      `${steps}  - {node: a, action: fs.list, path: "\${{ inputs.no"}`,
      "not closed",
    ],
    [
      "a reference in a shell command",
      `${steps}  - {id: b, node: a, action: fs.read, path: /}\n  - {node: a, action: exec.run, command: "echo \${{ steps.b.content }}"}`,
      "could run what an earlier step printed",
      "list of words",
    ],
    [
      "an input without a value",
      "name: x\ninputs: {a: null}\nsteps: [{node: a, action: fs.list}]",
      "w.yaml:2: The input a has no value",
      "--input a=",
    ],
    [
      "an exit code that cannot be",
      `${steps}  - {node: a, action: exec.run, allow_exit: [256]}`,
      "steps.0.allow_exit",
    ],
  ];

  for (const [name, text, message, hint] of cases) {
    test(name, async () => {
      const error = await plan(text).catch((thrown) => thrown);
      expect(error).toMatchObject({ code: "workflow.file_invalid", kind: "invalid_argument" });
      expect(error.message).toContain(message);
      if (hint !== undefined) expect(error.hint).toContain(hint);
    });
  }

  test("an input that cannot be what the file declares", async () => {
    const text = "name: x\ninputs: {n: 1, b: true}\nsteps: [{node: a, action: fs.list}]";
    for (const given of [
      { n: "many" },
      { n: "" },
      { n: "Infinity" },
      { b: "yes" },
      { b: "constructor" },
    ]) {
      await expect(plan(text, given)).rejects.toMatchObject({ code: "workflow.file_invalid" });
    }
  });

  test("an input the file does not declare", async () => {
    const text = "name: x\ninputs: {alpha: 1}\nsteps: [{node: a, action: fs.list}]";
    await expect(plan(text, { alhpa: 2 })).rejects.toMatchObject({
      code: "workflow.file_invalid",
      hint: "Did you mean alpha?",
    });
  });
});
