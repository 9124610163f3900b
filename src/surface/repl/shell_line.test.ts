import { expect, test } from "bun:test";
import { parseLine, type ShellLine } from "./shell_line.ts";

type Steps = Extract<ShellLine, { kind: "steps" }>;

function steps(text: string): Steps {
  const line = parseLine(text);
  if (line.kind !== "steps") throw new Error(`${text} is ${line.kind}`);
  return line;
}

function stages(text: string) {
  const line = steps(text);
  expect(line.steps).toHaveLength(1);
  return line.steps[0]!.stages;
}

const words = (text: string) => stages(text)[0]!.words.map((word) => word.text);

test.each([
  ["a b  c", ["a", "b", "c"]],
  ["a 'b  c' d", ["a", "b  c", "d"]],
  ['a "b \\" c" \'d\'', ["a", 'b " c', "d"]],
  ["a b\\ c", ["a", "b c"]],
  ["a ''", ["a", ""]],
  ["a 'x'\"y\"z", ["a", "xyz"]],
  ["a '|' \\> ';'", ["a", "|", ">", ";"]],
  ["a $(b | c; d) e", ["a", "$(b | c; d)", "e"]],
  ["a `b | c`", ["a", "`b | c`"]],
  ["(a | b; c)", ["(a | b; c)"]],
  ["a x#y # a comment | b", ["a", "x#y"]],
  ["a 2>&1", ["a", "2>&1"]],
  ["ls ünï\u3000x", ["ls", "ünï\u3000x"]],
])("%p is split into words", (text, expected) => {
  expect(words(text)).toEqual(expected);
});

test("a pipe is taken apart, with the node before each command", () => {
  expect(stages("cat a:/log | b: sort -u | head")).toMatchObject([
    { node: undefined, text: "cat a:/log" },
    { node: "b", text: "sort -u" },
    { node: undefined, text: "head" },
  ]);
});

test("text for a node's own shell is kept to the letter", () => {
  const [stage] = stages(`b:   printf '%s\\n'  "$HOME/a b"   $(ls | wc -l) 2>&1`);
  expect(stage!.text).toBe(`printf '%s\\n'  "$HOME/a b"   $(ls | wc -l) 2>&1`);
});

test("redirections are cut out of the text", () => {
  const [stage] = stages("sort -u < a:/in > 'b:/o ut' -r");
  expect(stage).toMatchObject({
    text: "sort -u -r",
    input: { text: "a:/in" },
    output: { target: { text: "b:/o ut" }, isAppend: false },
  });
  expect(stages("a >>b:/x")[0]).toMatchObject({
    text: "a",
    output: { target: { text: "b:/x" }, isAppend: true },
  });
  expect(stages("a>b:/x")[0]).toMatchObject({ text: "a", output: { target: { text: "b:/x" } } });
});

test.each(["a 2>/dev/null", "a 2>&1", "a >&2", "a <<E", "diff <(a) <(b)", "a &>x"])(
  "%p has no redirection of ours",
  (text) => {
    expect(stages(text)).toMatchObject([{ text, input: undefined, output: undefined }]);
  },
);

test("lists are taken apart, with what joins them", () => {
  const line = steps("a && b || c; d &");
  expect(line.steps.map(({ joiner, isBackground }) => [joiner, isBackground])).toEqual([
    [";", false],
    ["&&", false],
    ["||", false],
    [";", true],
  ]);
  expect(steps("a;").steps).toHaveLength(1);
});

test("on names the nodes of the whole line", () => {
  expect(steps("on a,b: uptime | wc; x")).toMatchObject({ nodes: ["a", "b"] });
  expect(steps("on a, b c: uptime")).toMatchObject({ nodes: ["a", "b", "c"] });
  expect(steps("on *: uptime")).toMatchObject({ nodes: ["*"] });
  expect(steps("on top of it")).toMatchObject({ nodes: undefined });
});

test("a node alone is a stage without words", () => {
  expect(stages("gpu:")).toMatchObject([{ node: "gpu", words: [] }]);
  const id = `ed25519:${"a".repeat(52)}`;
  expect(stages(`${id}: ls`)).toMatchObject([{ node: id, text: "ls" }]);
});

test("what is quoted is no node and no command of ours", () => {
  expect(stages("'gpu:' x")[0]).toMatchObject({ node: undefined });
  expect(stages("\\ls")[0]!.words[0]).toEqual({ text: "ls", isPlain: false });
});

test.each([
  ["", "empty"],
  ["   ", "empty"],
  ["# x", "empty"],
  ["?", "help"],
  ["? ls", "help"],
  ["= 1 | 2", "script"],
  ["! a | b", "raw"],
])("%p is %p", (text, kind) => {
  expect(parseLine(text).kind).toBe(kind as never);
});

test.each([
  "a 'b",
  'a "b',
  "a (b",
  "a `b",
  "a \\",
  "| a",
  "a |",
  "a | | b",
  "a && ",
  "&& a",
  ";; a",
  "a >",
  "a > | b",
  "a < x < y",
  "a > x > y",
  "a |& b",
  "a; on b,c: d",
  "on a: on b: c",
])("%p is refused with a hint", (text) => {
  expect(() => parseLine(text)).toThrow(
    expect.objectContaining({ code: "cli.line_invalid", hint: expect.any(String) }),
  );
});

test("a long line is read in time that grows with its length", () => {
  const text = `echo ${"(a ".repeat(5_000)}${")".repeat(5_000)} ${"'x' ".repeat(20_000)}`;
  expect(stages(text)[0]!.words.length).toBe(20_002);
});
