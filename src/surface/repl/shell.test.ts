import { expect, test } from "bun:test";
import { FakeNodes, fakeShell, op } from "./shell.fixture.ts";

function nodes(files: Readonly<Record<string, string>>): FakeNodes {
  const made = new FakeNodes();
  for (const [path, text] of Object.entries(files)) made.files.set(path, text);
  return made;
}

test("a command that is not ours runs on the current node, in the folder", async () => {
  const { run, shell, nodes: all } = fakeShell();
  shell.scope.place = { node: "a", path: "/data" };
  expect(await run("make -j  2")).toEqual({ code: 0, stdout: "a ran make -j  2\n", stderr: "" });
  expect(all.calls[0]).toMatchObject({
    node: "a",
    operation: "box.run",
    input: { command: "make -j  2", cwd: "/data" },
  });
});

test("a node before a command runs it there, in that node's own folder", async () => {
  const { run, nodes: all } = fakeShell();
  expect((await run("b: uptime")).stdout).toBe("b ran uptime\n");
  expect(all.calls[0]!.input).toEqual({ command: "uptime" });
});

test("a word of an operation takes paths from the folder", async () => {
  const { run, shell } = fakeShell(nodes({ "a:/data/x": "content", "b:/y": "other" }));
  shell.scope.place = { node: "a", path: "/data" };
  expect((await run("cat x")).stdout).toBe("content");
  expect((await run("cat ../data/./x")).stdout).toBe("content");
  expect((await run("cat /data/x")).stdout).toBe("content");
  expect((await run("cat b:/y")).stdout).toBe("other");
  expect((await run("b: cat y")).stdout).toBe("other");
  expect((await run("ls")).stdout).toBe("x\n");
  expect((await run("box.get x")).stdout).toBe("content");
  expect((await run("box get x")).stdout).toBe("content");
  expect((await run("box who")).stdout).toBe("a\n");
  expect((await run("ls --json")).stdout).toBe('{"name":"x","type":"file"}\n');
});

test("a path never leads above a node's root", async () => {
  const { run, nodes: all } = fakeShell(nodes({ "local:/x": "1" }));
  await run("cat ../../../x");
  expect(all.calls[0]!.input).toEqual({ path: "/x" });
});

test("quotes, ! and a group's name without its command go to the node's own shell", async () => {
  const { run } = fakeShell();
  expect((await run("\\ls -la")).stdout).toBe("local ran \\ls -la\n");
  expect((await run("! cat x | ls > y")).stdout).toBe("local ran cat x | ls > y\n");
  expect((await run("box app.js")).stdout).toBe("local ran box app.js\n");
});

test("a pipe goes from node to node", async () => {
  const { run, nodes: all } = fakeShell(nodes({ "a:/log": "one\ntwo\n" }));
  expect((await run("cat a:/log | b: upper | head")).stdout).toBe("ONE\n");
  expect(all.calls.map(({ node }) => node).toSorted()).toEqual(["a", "b", "local"]);
});

test("a word that reads a file is a filter of the node's own where no file is named", async () => {
  const { run, nodes: all } = fakeShell(nodes({ "a:/x": "text" }));
  expect((await run("cat a:/x | b: cat")).stdout).toBe("b ran cat\n");
  expect(all.calls.map(({ operation }) => operation).toSorted()).toEqual(["box.get", "box.run"]);
  expect((await run("box.get")).stderr).toContain("cli.argument_missing");
});

test("neighbours for one node's own shell are one call", async () => {
  const { run, nodes: all } = fakeShell();
  expect((await run("ps aux | grep x | wc -l")).stdout).toBe("local ran ps aux | grep x | wc -l\n");
  expect(all.calls).toHaveLength(1);
});

test("redirections go to and come from files of nodes", async () => {
  const { run, nodes: all } = fakeShell(nodes({ "a:/in": "text" }));
  expect(await run("b: upper < a:/in > b:/out")).toMatchObject({ code: 0, stdout: "", stderr: "" });
  expect(all.files.get("b:/out")).toBe("TEXT");
  await run("cat a:/in >> b:/out");
  expect(all.files.get("b:/out")).toBe("TEXTtext");
  expect((await run("< a:/in")).stdout).toBe("text");
  await run("box who > name");
  expect(all.files.get("local:/name")).toBe("local\n");
});

test("a stream that breaks off replaces no file, and is told once", async () => {
  const { run, nodes: all } = fakeShell(nodes({ "a:/broken": "half", "b:/out": "old" }));
  const { code, stderr } = await run("cat a:/broken | b: upper > b:/out");
  expect(code).not.toBe(0);
  expect(stderr.match(/error:/g)).toHaveLength(1);
  expect(stderr).toContain("box.io");
  expect(all.files.get("b:/out")).toBe("old");
});

test("a reader that leaves ends a writer without end", async () => {
  const { run, nodes: all } = fakeShell();
  expect(await run("a: flood | b: head")).toEqual({ code: 0, stdout: "y\n", stderr: "" });
  expect(all.calls.find(({ node }) => node === "a")!.isCancelled).toBeTrue();
});

test("lists go by exit codes", async () => {
  const { run } = fakeShell();
  expect(await run("a: fail 3 && a: x")).toMatchObject({ code: 3, stdout: "" });
  expect(await run("a: fail 3 || a: x")).toMatchObject({ code: 0, stdout: "a ran x\n" });
  expect(await run("a: fail 3; a: x")).toMatchObject({ code: 0, stdout: "a ran x\n" });
});

test.each([
  "for i in 1 2; do cat $i; done",
  "x=1; echo $x > f",
  "a; b && c",
  "a || b",
  "a &",
  "if true; then ls; fi",
])("%p goes whole to the node's own shell", async (line) => {
  expect((await fakeShell().run(line)).stdout).toBe(`local ran ${line}\n`);
});

test("& behind a command of ours is refused", async () => {
  expect(await fakeShell().run("cat x &")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("cli.line_invalid"),
  });
});

test.each([
  "cat x > y | b: z",
  "b: x | cat < y",
  "> y",
  "cat x 2>&1",
  "cd x | cat y",
  "cat 'x",
  "cat --nope /x",
  "exit 1000",
  "cd a b",
  "pwd x",
  "edit x",
  "tty top",
])("%p is refused before anything runs", async (line) => {
  const { run, nodes: all } = fakeShell();
  const { code, stderr, stdout } = await run(line);
  expect(code).not.toBe(0);
  expect(stdout).toBe("");
  expect(stderr).toContain("hint:");
  expect(all.calls).toEqual([]);
});

test("a flag a short word does not have means the node's own command, where that only looks", async () => {
  const { run, nodes: all } = fakeShell();
  expect((await run("ls -la sub")).stdout).toBe("local ran ls -la sub\n");
  expect((await run("b: ls -la")).stdout).toBe("b ran ls -la\n");
  all.calls.length = 0;
  for (const line of ["ls -la /sub", "ls -la b:/sub", "rm -rf x"]) {
    expect((await run(line)).stderr).toContain(`! ${line.slice(0, 2)} …`);
  }
  expect(all.calls).toEqual([]);
});

test("cd goes to folders that are there", async () => {
  const { run, shell } = fakeShell(nodes({ "a:/data/x": "", "a:/data/deep/y": "" }));
  expect((await run("cd a:/data")).code).toBe(0);
  expect(shell.scope.place).toEqual({ node: "a", path: "/data" });
  await run("cd deep");
  expect((await run("pwd")).stdout).toBe("a:/data/deep\n");
  await run("cd ..");
  expect(shell.scope.place.path).toBe("/data");
  expect(await run("cd nowhere")).toMatchObject({ code: 3 });
  expect(shell.scope.place.path).toBe("/data");
  await run("cd");
  expect(shell.scope.place).toEqual({ node: "a", path: "/" });
  await run("b:");
  expect(shell.scope.place).toEqual({ node: "b", path: "/" });
});

test("cd goes to a folder that may not be listed, and says so", async () => {
  const { run, shell } = fakeShell();
  expect((await run("cd a:/locked")).stderr).toContain("cannot be listed");
  expect(shell.scope.place.path).toBe("/locked");
});

test("cd stays where it is when the node does not answer", async () => {
  const { run, shell, nodes: all } = fakeShell();
  all.gone.add("a");
  expect(await run("cd a:/data")).toMatchObject({ code: 255 });
  expect(shell.scope.place.node).toBe("local");
});

test("on runs a line on several nodes, each output line behind the node's name", async () => {
  const { run } = fakeShell();
  const { stdout, code } = await run("on a,b: uptime");
  expect(stdout.split("\n").toSorted()).toEqual(["", "a: a ran uptime", "b: b ran uptime"]);
  expect(code).toBe(0);
  expect((await run("on *: box who")).stdout.split("\n").toSorted()).toEqual(["", "a: a", "b: b"]);
});

test("on keeps streams apart, goes on when a node is gone, and leaves the shell where it is", async () => {
  const { run, nodes: all, shell } = fakeShell(nodes({ "a:/d/x": "", "b:/d/x": "" }));
  expect((await run("on a: warn")).stderr).toBe("a: careful\n");
  all.gone.add("a");
  const { code, stdout, stderr } = await run("on a,b: cd d && pwd");
  expect(code).toBe(255);
  expect(stdout).toBe("b: b:/d\n");
  expect(stderr).toContain("a: error:");
  expect(shell.scope.place).toEqual({ node: "local", path: "/" });
});

test("a cancelled line ends its calls and says nothing", async () => {
  const { run, nodes: all } = fakeShell();
  const controller = new AbortController();
  const running = run("a: hang | b: upper; ls", controller.signal);
  await Promise.resolve();
  controller.abort("SIGINT");
  expect(await running).toEqual({ code: 130, stdout: "", stderr: "" });
  expect(all.calls.map(({ operation }) => operation)).not.toContain("box.look");
});

test("exit sets the code the shell ends with", async () => {
  const { run, shell } = fakeShell();
  await run("exit 3; ls");
  expect(shell.exitCode).toBe(3);
});

test("= evaluates with nodes as objects, and keeps what is assigned", async () => {
  const { run, shell } = fakeShell();
  expect((await run("= 1 + 1")).stdout).toBe("2\n");
  expect((await run("= x = await nodes.a.who()")).stdout).toContain('name: "a"');
  expect((await run("= x.name + here.name")).stdout).toContain("alocal");
  expect((await run("= if (x) { y = 5 }; return y")).stdout).toBe("5\n");
  expect((await run("= y")).stdout).toBe("5\n");
  expect((await run("= names()")).stdout).toContain('"b"');
  expect(Object.keys(shell.scope.values).toSorted()).toEqual(["_", "x", "y"]);
});

test("= reports what it throws and is cancelled with its calls", async () => {
  const { run, nodes: all } = fakeShell();
  expect(await run("= nope.x")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("nope is not defined"),
  });
  expect(await run("= (((")).toMatchObject({ stderr: expect.stringContaining("SyntaxError") });
  const controller = new AbortController();
  const running = run("= here.hang()", controller.signal);
  await Promise.resolve();
  controller.abort("SIGINT");
  expect(await running).toMatchObject({ code: 130, stderr: "" });
  expect(all.calls.every(({ isCancelled }) => isCancelled)).toBeTrue();
});

test("attack 27: terminal escapes in a value's text do not reach the terminal", async () => {
  const { stdout } = await fakeShell().run("= ({ a: 'x\\x1b[2J\\u202e\\x9b', ['k\\x1b']: 1 })");
  expect(stdout).not.toMatch(/[\x1b\u202e\x9b]/);
  const { shell, run } = fakeShell();
  shell.scope.place = { node: "a", path: "/x\x1b[2J" };
  expect((await run("pwd")).stdout).toBe("a:/x\\x1b[2J\n");
});

test("attack 27: escapes in the name of a node that is listed do not reach the terminal", async () => {
  const { run, nodes: all } = fakeShell();
  const evil = "x\x1b[2J\x9b2J\u202e\nb: fake";
  const spelled = "x\\x1b[2J\\x9b2J\\u202e\\nb: fake";
  all.known = ["a", evil];
  const { stdout } = await run("on *: box who");
  expect(stdout.split("\n").toSorted()).toEqual(
    ["", `${"a:".padEnd(spelled.length + 2)}a`, `${spelled}: ${spelled}`].toSorted(),
  );
  all.gone.add(evil);
  expect((await run("on *: box who")).stderr).toStartWith(`${spelled}: error:`);
});

test("? explains the shell and single commands", async () => {
  const { run, nodes: all } = fakeShell();
  expect((await run("?")).stdout).toContain("on a,b: COMMAND");
  expect((await run("? ls")).stdout).toContain("operon box look NODE:/PATH");
  expect((await run("? box.get")).stdout).toContain("operon box get");
  expect((await run("help cd")).stdout).toContain("Go to a folder");
  expect((await run("cat --help")).stdout).toContain("operon box get");
  expect(await run("? nope")).toMatchObject({ code: 2 });
  expect(all.calls).toEqual([]);
});

test("tty runs a command where an operation gives a terminal, with the keys of this one", async () => {
  let isTaken = false;
  const keys = {
    async *[Symbol.asyncIterator]() {
      isTaken = true;
      yield new TextEncoder().encode("keys");
    },
    [Symbol.dispose]: () => {
      isTaken = false;
    },
  };
  const terminal = { rows: 24, columns: 80, runProgram: async () => 0, takeKeys: () => keys };
  const cli = { rest: { argv: "argv", shell: "command" }, exit_code: "exit_code" };
  const screen = op("screen", { node: "argument", ...cli, shell: { part: "terminal" } });
  const { run, shell, nodes: all } = fakeShell(new FakeNodes(), { terminal, more: [screen] });
  shell.scope.place = { node: "a", path: "/data" };
  expect(await run("tty upper")).toMatchObject({ code: 0, stdout: "KEYS" });
  expect(isTaken).toBeFalse();
  await run("b: sh");
  await run("cat b:/nothing | sh");
  await run("on a,b: sh");
  expect(all.calls.splice(1).map(({ node, operation }) => `${node} ${operation}`)).toEqual([
    "b box.screen",
    ...["b box.get", "a box.run", "a box.run", "b box.run"],
  ]);
  expect(all.calls).toMatchObject([
    {
      node: "a",
      operation: "box.screen",
      input: { command: "upper", cwd: "/data", rows: 24, cols: 80 },
    },
  ]);
});
