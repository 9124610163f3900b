import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "../../../test/clock.ts";
import { OperonError } from "../../error.ts";
import { BOX } from "./box.fixture.ts";
import { box } from "./cli.fixture.ts";
import type { HandWrittenVerb } from "./verb.ts";

const refusal = {
  code: "policy.denied",
  kind: "permission_denied",
  message: "Policy does not allow this",
  hint: "Ask for it",
  data: { rule: "operator 2" },
} as const;

describe("finding commands", () => {
  test("nothing typed prints the overview", async () => {
    const { exitCode, stdout } = await box([]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("box");
  });
  test("a group alone lists its operations, hidden ones left out", async () => {
    const { exitCode, stdout } = await box(["box"]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("open, unlock");
    expect(stdout).not.toContain("secret");
  });
  test("an alias runs the operation", async () => {
    const { calls } = await box(["box", "unlock", "local:/x"]);
    expect(calls[0]?.operation).toBe("box.open");
  });
  test.each([
    [["bx"], "Did you mean box?"],
    [["box", "opne"], "Did you mean open?"],
    [["--jsno", "box", "open", "local:/x"], "Flags of a command come after it"],
  ])("%p is refused with what was meant", async (argv, hint) => {
    const { exitCode, stderr, stdout } = await box(argv);
    expect(exitCode).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain(hint);
  });
  test.each([["constructor"], ["__proto__"], ["toString"], [""], ["help help"]])(
    "%p is no command",
    async (word) => {
      expect((await box([word])).exitCode).toBe(2);
    },
  );
  test("--version needs no description of anything", async () => {
    expect((await box(["--version"])).stdout).toBe("operon 1.2.3\n");
    expect((await box(["--json", "--version"])).stdout).toBe('{"version":"1.2.3"}\n');
  });
  test("help is the same wherever it is asked for", async () => {
    const { stdout } = await box(["box", "open", "--help"]);
    expect(stdout).toContain("Usage: operon box open NODE:/PATH [flags]");
    expect((await box(["help", "box", "open"])).stdout).toBe(stdout);
    expect((await box(["--help", "box", "open", "local:/x"])).stdout).toBe(stdout);
    expect((await box(["box", "run", "gpu", "--", "ls", "--help"])).stdout).not.toContain("Usage");
  });
  test("help for a program is JSON", async () => {
    const help = JSON.parse((await box(["help", "box", "open", "--json"])).stdout);
    expect(help.operation.id).toBe("box.open");
  });
});

describe("global flags", () => {
  test("they stand anywhere before --", async () => {
    for (const argv of [
      ["--home", "/h", "box", "open", "local:/x"],
      ["box", "--home=/h", "open", "local:/x"],
      ["box", "open", "local:/x", "--home", "/h"],
    ]) {
      expect((await box(argv)).connected).toEqual([
        { home: "/h", config: undefined, identity: undefined },
      ]);
    }
  });
  test("--config and --identity reach connect, --timeout-secs the call", async () => {
    const argv = "box open local:/x --config c --identity i --timeout-secs 1.5".split(" ");
    const { connected, calls } = await box(argv);
    expect(connected).toEqual([{ home: undefined, config: "c", identity: "i" }]);
    expect(calls[0]?.timeoutMs).toBe(1500);
  });
});

describe("results", () => {
  test("one JSON document for an output", async () => {
    const { stdout } = await box(["box", "open", "local:/x", "--json"], {
      answers: [{ output: { a: "\u001b[2J", b: [1] } }],
    });
    expect(stdout).toBe('{"a":"\\u001b[2J","b":[1]}\n');
  });
  test("a line of JSON for each value of a stream, and nothing else", async () => {
    const { stdout } = await box(["box", "list", "--json"], {
      answers: [{ value: { name: "a" } }, { value: { name: "b" } }, { output: { entries: 2 } }],
    });
    expect(stdout).toBe('{"name":"a"}\n{"name":"b"}\n');
  });
  test("bytes with --json come in lines, then the output", async () => {
    const { stdout, exitCode } = await box(["box", "run", "gpu", "--json", "--", "x"], {
      answers: [
        { text: "a", channel: 0 },
        { base64: "/w==", channel: 1 },
        { output: { exit_code: 9 } },
      ],
    });
    expect(stdout).toBe(
      '{"channel":"stdout","text":"a"}\n{"channel":"stderr","base64":"/w=="}\n{"output":{"exit_code":9}}\n',
    );
    expect(exitCode).toBe(9);
  });
  test("bytes pass through unchanged, each channel to its stream", async () => {
    const outcome = await box(["box", "run", "gpu", "--", "x"], {
      answers: [{ base64: "AP8bWw==" }, { text: "e", channel: 1 }, { output: { exit_code: 0 } }],
    });
    expect([...outcome.stdoutBytes]).toEqual([0, 255, 27, 91]);
    expect(outcome.stderr).toBe("e");
  });
  test("a table is as wide as its cells, and its heading goes with --quiet", async () => {
    const answers = [
      { value: { name: "a", size: 1 } },
      { value: { name: "longer" } },
      { output: {} },
    ];
    expect((await box(["box", "list"], { answers })).stdout).toBe(
      "NAME    SIZE\na       1\nlonger  -\n",
    );
    expect((await box(["box", "list", "-q"], { answers })).stdout).toBe("a       1\nlonger  -\n");
  });
  test("a table fits the terminal it is printed on, wide characters counted", async () => {
    const answers = [{ value: { name: "名前".repeat(20), size: "x".repeat(50) } }, { output: {} }];
    const { stdout } = await box(["box", "list"], { answers, isTty: true, columns: 40 });
    for (const line of stdout.trimEnd().split("\n")) {
      expect(Bun.stringWidth(line)).toBeLessThanOrEqual(40);
    }
    expect(stdout).toContain("…");
  });
  test("live values are printed as they come", async () => {
    const { stdout } = await box(["box", "watch"], {
      answers: [
        { value: { name: "a", size: 1 } },
        { value: { name: "b", size: 2 } },
        { output: {} },
      ],
    });
    expect(stdout).toBe("a: 1\nb: 2\n");
  });
  test("an exit code that is none is a failure", async () => {
    for (const output of [{}, { exit_code: -1 }, { exit_code: 256 }, { exit_code: "0" }, null]) {
      const { exitCode } = await box(["box", "run", "gpu", "--", "x"], { answers: [{ output }] });
      expect(exitCode).toBe(1);
    }
  });
  test("--verbose tells how it was decided", async () => {
    const { stderr } = await box(["box", "open", "local:/x", "-v"]);
    expect(stderr).toContain("decision: allow, allowed by rule 1 of role operator");
  });
});

describe("attack 27: text from a node cannot steer the terminal", () => {
  const evil = "\u001b]0;x\u0007\r\u009b2J\u202e\nfake";
  const spelled = "\\x1b]0;x\\x07\\r\\x9b2J\\u202e\\nfake";
  const isHarmless = (text: string) =>
    expect(text.replaceAll("\n", "")).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);

  test("attack 27: escapes in a table cell are spelled out", async () => {
    const { stdout } = await box(["box", "list"], {
      answers: [{ value: { name: evil, size: { [evil]: evil } } }, { output: {} }],
    });
    expect(stdout).toContain(spelled);
    isHarmless(stdout);
    expect(stdout.split("\n").length).toBe(3);
  });
  test("attack 27: escapes in a line view are spelled out", async () => {
    const { stdout } = await box(["box", "watch"], {
      answers: [{ value: { name: evil, size: [evil] } }, { output: {} }],
    });
    isHarmless(stdout);
    expect(stdout.split("\n").length).toBe(2);
  });
  test("attack 27: escapes in fields, their names and nested values are spelled out", async () => {
    const { stdout } = await box(["box", "open", "local:/x"], {
      answers: [{ output: { [evil]: 1, a: { [evil]: [evil, { b: evil }] }, c: `x\n${evil}` } }],
    });
    isHarmless(stdout);
  });
  test("attack 27: escapes in an error's text, code, hint and data are spelled out", async () => {
    const { stderr } = await box(["box", "open", "local:/x"], {
      answers: [
        {
          error: {
            code: evil,
            kind: "internal",
            message: evil,
            hint: evil,
            data: { [evil]: `more ${evil}` },
          },
        },
      ],
    });
    isHarmless(stderr);
    expect(stderr.trimEnd().split("\n").length).toBe(3);
  });
  test("attack 27: escapes in a receipt are spelled out, each of its texts", async () => {
    const plain = {
      verdict: "deny",
      reason: "reason",
      rule: { role: "role", index: 0, file: "file", line: 1 },
    } as const;
    const rule = (parts: object) => ({ ...plain, rule: { ...plain.rule, ...parts } });
    for (const [node, decision] of [
      [evil, plain],
      ["node", { ...plain, reason: evil }],
      ["node", rule({ role: evil })],
      ["node", rule({ file: evil })],
    ] as const) {
      const { stderr } = await box(["box", "open", "local:/x", "-v"], {
        receipt: { node, decision, audit: { sequence: 1, hash: "ab" } },
      });
      expect(stderr).toContain(spelled);
      isHarmless(stderr);
      expect(stderr.split("\n").length).toBe(2);
    }
  });
  test("attack 27: escapes in what was typed are spelled out too", async () => {
    for (const argv of [[evil], ["box", evil], ["box", "open", evil], ["box", `--${evil}`]]) {
      isHarmless((await box(argv)).stderr);
    }
  });
});

describe("failures", () => {
  test("a person reads message, details and hint", async () => {
    const { exitCode, stdout, stderr } = await box(["box", "open", "local:/x"], {
      answers: [{ error: refusal }],
    });
    expect(exitCode).toBe(5);
    expect(stdout).toBe("");
    expect(stderr).toBe(
      "error: Policy does not allow this (policy.denied)\n  rule: operator 2\nhint: Ask for it\n",
    );
  });
  test("a program reads one JSON object with the exit code", async () => {
    const { exitCode, stderr } = await box(["box", "open", "local:/x", "--json"], {
      answers: [{ error: refusal }],
    });
    expect(exitCode).toBe(5);
    expect(JSON.parse(stderr)).toEqual({ error: { ...refusal, exit_code: 5 } });
  });
  test("a usage error is JSON too, even when --json comes after it", async () => {
    const { exitCode, stderr } = await box(["box", "opne", "--json"]);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stderr).error).toMatchObject({ code: "cli.command_unknown", exit_code: 2 });
  });
  test("--json after -- asks for nothing", async () => {
    expect((await box(["box", "opne", "--", "--json"])).stderr).toStartWith("error: ");
  });
  test("a lost connection is exit code 255, not the remote's", async () => {
    const { exitCode } = await box(["box", "run", "gpu", "--", "x"], {
      answers: [
        { text: "half" },
        { error: { code: "wire.lost", kind: "unavailable", message: "Lost" } },
      ],
    });
    expect(exitCode).toBe(255);
  });
  test("a stream that breaks off after some values is a failure", async () => {
    const { exitCode, stdout } = await box(["box", "list", "--json"], {
      answers: [{ value: { name: "a" } }, { error: refusal }],
    });
    expect(stdout).toBe('{"name":"a"}\n');
    expect(exitCode).toBe(5);
  });
  test("an unreachable home is reported as such", async () => {
    const { exitCode, stderr } = await box(["box", "open", "local:/x"], {
      connectError: new OperonError({
        code: "config.missing",
        kind: "not_found",
        message: "No configuration",
      }),
    });
    expect(exitCode).toBe(3);
    expect(stderr).toContain("No configuration (config.missing)");
  });
  test("a defect of the program itself shows its stack only with --verbose", async () => {
    const verb = verbOf(async () => {
      throw new TypeError("oops");
    });
    const quiet = await box(["do", "it", "a"], { verbs: [verb] });
    expect(quiet.exitCode).toBe(70);
    expect(quiet.stderr).toContain("oops");
    expect(quiet.stderr).not.toContain("cli.test.ts");
    expect((await box(["do", "it", "a", "-v"], { verbs: [verb] })).stderr).toContain("cli.test.ts");
  });
  test("colours appear on a terminal only, and not with NO_COLOR, --no-color or TERM=dumb", async () => {
    const argv = ["box", "opne"];
    expect((await box(argv, { isTty: true })).stderr).toContain("\u001b[31");
    expect((await box(argv)).stderr).not.toContain("\u001b");
    expect((await box(argv, { isTty: true, env: { NO_COLOR: "1" } })).stderr).not.toContain(
      "\u001b",
    );
    expect((await box(argv, { isTty: true, env: { TERM: "dumb" } })).stderr).not.toContain(
      "\u001b",
    );
    expect((await box([...argv, "--no-color"], { isTty: true })).stderr).not.toContain("\u001b");
  });
});

describe("ending early", () => {
  test("a signal cancels the call and gives 128 + its number", async () => {
    for (const [name, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
      ["SIGHUP", 129],
    ] as const) {
      const controller = new AbortController();
      const { exitCode, calls } = await box(["box", "watch"], {
        answers: [{ hang: true }],
        signal: controller.signal,
        onCall: () => setImmediate(() => controller.abort(name)),
      });
      expect(exitCode).toBe(code);
      expect(calls[0]?.isCancelled).toBe(true);
    }
  });
  test("a node that does not confirm a cancellation is not waited for", async () => {
    const controller = new AbortController();
    const clock = new ManualClock();
    const running = box(["box", "watch"], {
      clock,
      signal: controller.signal,
      answers: [{ mute: true }],
    });
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort("SIGINT");
    clock.advance(2_000);
    expect((await running).exitCode).toBe(130);
  });
  test("a reader that leaves ends the call without a word", async () => {
    const { exitCode, stderr, calls } = await box(["box", "get", "local:/x"], {
      answers: [{ text: "12345" }, { text: "67890" }, { output: {} }],
      stdoutBytesMax: 5,
    });
    expect([exitCode, stderr]).toEqual([141, ""]);
    expect(calls[0]?.isCancelled).toBe(true);
  });
  test("a reader that leaves a list ends the call too", async () => {
    const { exitCode, stderr } = await box(["box", "list", "--json"], {
      answers: [...Array(1000).fill({ value: { name: "x".repeat(200) } }), { output: {} }],
      stdoutBytesMax: 1000,
    });
    expect([exitCode, stderr]).toEqual([141, ""]);
  });
});

describe("what is sent", () => {
  const put = (flags: readonly string[], options = {}) =>
    box(["box", "put", "local:/x", ...flags], options);
  test("--content is sent as it is", async () => {
    for (const text of ["hello", "007", "", "-x", "é\n"]) {
      expect((await put([`--content=${text}`])).calls[0]?.sent).toBe(text);
    }
  });
  test("a pipe is sent when no flag says otherwise", async () => {
    expect((await put([], { stdin: "piped" })).calls[0]?.sent).toBe("piped");
    expect((await put(["--content", "flag"], { stdin: "piped" })).calls[0]?.sent).toBe("flag");
  });
  test("nothing to send is refused before the call", async () => {
    for (const options of [{}, { isTty: true }]) {
      const { exitCode, calls, stderr } = await put([], options);
      expect([exitCode, calls.length]).toEqual([2, 0]);
      expect(stderr).toContain("--content or --file, or pipe it in");
    }
  });
  test("a command without input gets none", async () => {
    const { calls } = await box(["box", "run", "gpu", "--", "x"]);
    expect(calls[0]?.sent).toBeUndefined();
  });
  test("text and file together are refused", async () => {
    expect((await put(["--content", "a", "--file", "b"])).exitCode).toBe(2);
  });
  test("values are one JSON line each", async () => {
    const { calls } = await box(["box", "feed"], { stdin: '{"a":1}\n\n2\n"x"' });
    expect(calls[0]?.sent).toEqual([{ a: 1 }, 2, "x"]);
  });
  test("a line that is no JSON is named, and the call cancelled", async () => {
    const { exitCode, stderr, calls } = await box(["box", "feed"], { stdin: "1\n{oops\n" });
    expect(exitCode).toBe(2);
    expect(stderr).toContain("Line 2 of the input is not JSON");
    expect(calls[0]?.isCancelled).toBe(true);
  });
});

describe("local files", () => {
  const folder = mkdtempSync(join(tmpdir(), "operon-cli-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const get = (path: string, answers: Parameters<typeof box>[1]) =>
    box(["box", "get", "local:/x", "--output", path], answers);
  const whole = { answers: [{ text: "new" }, { output: { size: 3 } }] };

  test("--file sends a local file, whole, however large", async () => {
    const path = join(folder, "large");
    writeFileSync(path, "0123456789".repeat(60_000));
    const { calls } = await box(["box", "put", "local:/x", "--file", path]);
    expect(calls[0]?.sent).toBe("0123456789".repeat(60_000));
  });
  test("a missing or unreadable --file is refused before the call", async () => {
    for (const path of [join(folder, "nope"), folder, ""]) {
      const { exitCode, calls } = await box(["box", "put", "local:/x", "--file", path]);
      expect([exitCode, calls.length]).toEqual([2, 0]);
    }
  });
  test("--output writes the file and prints nothing", async () => {
    const path = join(folder, "saved");
    const { stdout, exitCode } = await get(path, whole);
    expect([exitCode, stdout, readFileSync(path, "utf8")]).toEqual([0, "", "new"]);
  });
  test("--output with --json prints the output", async () => {
    const { stdout } = await box(
      ["box", "get", "local:/x", "-o", join(folder, "s2"), "--json"],
      whole,
    );
    expect(stdout).toBe('{"size":3}\n');
  });
  test("a failed call leaves the old file whole and nothing beside it", async () => {
    const path = join(folder, "kept");
    writeFileSync(path, "old");
    const before = readdirSync(folder).length;
    const { exitCode } = await get(path, { answers: [{ text: "half" }, { error: refusal }] });
    expect([exitCode, readFileSync(path, "utf8")]).toEqual([5, "old"]);
    expect(readdirSync(folder).length).toBe(before);
  });
  test("a failed call makes no new file", async () => {
    const path = join(folder, "absent");
    await get(path, { answers: [{ text: "half" }, { error: refusal }] });
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });
  test("a replaced file keeps its mode, a link stays a link", async () => {
    const path = join(folder, "mode");
    writeFileSync(path, "old");
    chmodSync(path, 0o640);
    const link = join(folder, "link");
    symlinkSync(path, link);
    await get(link, whole);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });
  test("a place that cannot be written is refused before the call", async () => {
    for (const path of [join(folder, "no/such"), folder]) {
      const { exitCode, calls } = await get(path, whole);
      expect([exitCode, calls.length]).toEqual([2, 0]);
    }
  });
  test("a device is written to as it is", async () => {
    expect((await get("/dev/null", whole)).exitCode).toBe(0);
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
    expect((await get("/dev/full", whole)).exitCode).toBe(74);
  });
});

describe("asking before something is destroyed", () => {
  const burn = (stdin: string | undefined, ...flags: string[]) =>
    box(["box", "burn", "gpu:/x\u001b", ...flags], {
      isTty: true,
      ...(stdin === undefined ? {} : { stdin }),
    });
  test("yes goes on, anything else does not", async () => {
    for (const answer of ["y\n", "YES\n"]) expect((await burn(answer)).calls.length).toBe(1);
    for (const answer of ["n\n", "\n", "yep\n", "", undefined]) {
      const { calls, exitCode } = await burn(answer);
      expect([calls.length, exitCode]).toEqual([0, 130]);
    }
  });
  test("the question names what and where, and cannot steer the terminal", async () => {
    const { stderr } = await burn("n\n");
    expect(stderr).toContain("Burn a box: /x\\x1b on gpu? [y/N] ");
  });
  test("--yes does not ask, and neither does a script", async () => {
    expect((await burn(undefined, "--yes")).calls.length).toBe(1);
    expect((await box(["box", "burn", "gpu:/x"])).calls.length).toBe(1);
  });
});

function verbOf(run: HandWrittenVerb["run"]): HandWrittenVerb {
  return {
    path: ["do", "it"],
    summary: "Do it",
    args: [{ name: "what" }, { name: "others", optional: true, variadic: true }],
    flags: [
      { name: "times", kind: "integer", default: 1 },
      { name: "label", kind: "map" },
      { name: "fast", kind: "boolean" },
    ],
    run,
  };
}

describe("hand-written verbs", () => {
  test("a verb gets its arguments and flags, converted, with defaults", async () => {
    const seen: unknown[] = [];
    const verbs = [
      verbOf(async (input) => {
        seen.push(input);
        return 7;
      }),
    ];
    const argv = ["do", "it", "a", "b", "c", "--label", "x=1", "--fast", "--", "d"];
    const { exitCode } = await box(argv, { verbs });
    expect(exitCode).toBe(7);
    expect(seen).toEqual([
      {
        args: { what: "a", others: ["b", "c"] },
        flags: { times: 1, label: { x: "1" }, fast: true },
        rest: ["d"],
      },
    ]);
  });
  test("a verb takes the place of an operation with its path, and joins its group", async () => {
    const verb = { ...verbOf(async () => 3), path: [BOX.id, "open"], args: [], flags: [] };
    expect((await box(["box", "open"], { verbs: [verb] })).exitCode).toBe(3);
    expect((await box(["box", "list"], { verbs: [verb] })).calls.length).toBe(1);
  });
  test("show prints as an operation's result would be", async () => {
    const verb = verbOf(async (_input, { show, note }) => {
      await note("note\u001b");
      await show({ name: "n" }, { kind: "line", template: "<{name}>" });
      return 0;
    });
    const text = await box(["do", "it", "x"], { verbs: [verb] });
    expect([text.stdout, text.stderr]).toEqual(["<n>\n", "note\\x1b\n"]);
    const json = await box(["do", "it", "x", "--json", "--quiet"], { verbs: [verb] });
    expect([json.stdout, json.stderr]).toEqual(['{"name":"n"}\n', ""]);
  });
  test.each([
    [["do", "it"], "cli.argument_missing"],
    [["do", "it", "a", "--times", "x"], "cli.value_invalid"],
    [["do", "it", "a", "--tmies", "1"], "cli.flag_unknown"],
    [["do", "that"], "cli.command_unknown"],
  ])("%p is refused", async (argv, code) => {
    const verbs = [verbOf(async () => 0)];
    const { exitCode, stderr } = await box([...argv, "--json"], { verbs });
    expect([exitCode, JSON.parse(stderr).error.code]).toEqual([2, code]);
  });
});
