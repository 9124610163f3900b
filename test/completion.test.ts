// Completion in real shells, over a real node: what is inserted is the name to the letter, and nothing in it is run.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { HANDSHAKE_TIMEOUT_MS } from "../src/limits.ts";
import { until } from "./harness/mesh.ts";
import { TypedTerminal } from "./harness/terminal.ts";

const operon = process.env.OPERON_EXECUTABLE ?? join(import.meta.dir, "../dist/operon");
const folder = mkdtempSync(join(tmpdir(), "operon-completion-"));
const workspace = join(folder, "workspace");
const env = {
  PATH: [dirname(operon), process.env.PATH ?? ""].join(delimiter),
  HOME: folder,
  NO_COLOR: "1",
  LANG: "C.UTF-8",
};
/** Names a peer could choose, and how much of each is typed; no two begin alike. */
const NAMES = [
  ["a b", "a\\ "],
  ["c$(touch pwned)", "c"],
  ["d`touch pwned`", "d"],
  ["e;touch pwned", "e"],
  ["f'\"g", "f"],
  ["h*?[x]", "h"],
  ["k:l=m", "k:l="],
  ["n@o\\p", "n@"],
  ["o!p'q", "o"],
] as const;
/** A node that takes connections and never says a word. */
const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
let daemon: Bun.Subprocess;

async function run(...argv: string[]): Promise<string> {
  const child = Bun.spawn(argv, { env, cwd: folder, stdin: "ignore", stderr: "ignore" });
  const text = await new Response(child.stdout).text();
  expect(await child.exited, argv.join(" ")).toBe(0);
  return text;
}

async function answers(...words: string[]): Promise<string[]> {
  const lines = (await run(operon, "complete", "--", ...words)).trimEnd().split("\n");
  return lines.map((line) => line.split("\t")[0]!);
}

function configure(changes: Readonly<Record<string, string>>): void {
  const path = join(folder, ".operon/config.yaml");
  let text = readFileSync(path, "utf8");
  for (const [before, after] of Object.entries(changes)) text = text.replace(before, after);
  writeFileSync(path, text);
}

beforeAll(async () => {
  mkdirSync(join(workspace, "sub"), { recursive: true });
  for (const name of [...NAMES.map(([name]) => name), "x\x1b]0;y\x07", "y\ntouch pwned"])
    writeFileSync(join(workspace, name), `this is ${[...name][0]}\n`);
  await run(
    ...[operon, "onboard", "--yes", "--role", "both", "--node-id", "mine"],
    ...["--workspace", workspace, "--listen", "127.0.0.1:0"],
  );
  configure({
    "  nodes: {}": `  nodes: { silent: { endpoint: "ws://127.0.0.1:${silent.port}" } }`,
    "policy:": "secrets: { names: { TOKEN: env:HOME } }\npolicy:",
    "  principals:": "  services: [{ id: web, host: 127.0.0.1, port: 9 }]\n  principals:",
  });
  daemon = Bun.spawn([operon, "daemon", "start"], { env, stdout: "ignore", stderr: "ignore" });
  await until(() => existsSync(join(folder, ".operon/daemon.sock")));
}, 60_000);
afterAll(async () => {
  silent.stop(true);
  daemon?.kill("SIGTERM");
  await daemon?.exited;
  rmSync(folder, { recursive: true, force: true });
});

describe("operon complete", () => {
  test.each([
    [["f"], ["fs"]],
    [["fs", "rea"], ["read"]],
    [["fs", "read", "l"], ["local:"]],
    [["fs", "read", "local:"], ["local:/sub/"]],
    [["fs", "read", "local:/s"], ["local:/sub/"]],
    [["exec", "run", "lo"], ["local"]],
    [["fs", "list", "--js"], ["--json"]],
    [["completion", "z"], ["zsh"]],
    [["run", ""], [":0"]],
    [["doctor", "--node", "l"], ["local"]],
    [["doctor", "--node=l"], ["--node=local"]],
    [["exec", "run", "local", "--cwd", "/s"], ["/sub/"]],
    [["exec", "run", "local", "--cwd=/s"], ["--cwd=/sub/"]],
    [["exec", "run", "local", "--secret=T"], ["--secret=TOKEN"]],
    [["exec", "run", "local", "--", "l"], [":4"]],
    [["no", "such", "thing", ""], [":4"]],
  ])("%p offers %p", async (words, expected) => {
    expect(await answers(...words)).toEqual(expect.arrayContaining(expected));
  });

  test.each(["su", "sub/", "local:sub/"])(
    "offers no path for %p, which names none",
    async (typed) => {
      expect(await answers("fs", "read", typed)).toEqual([":4"]);
    },
  );

  test("offers folders, and no files, where a folder of the node is wanted", async () => {
    expect(await answers("exec", "run", "local", "--cwd", "")).toEqual(["/sub/", ":4"]);
    expect(await answers("exec", "run", "local", "--cwd", "su")).toEqual([":4"]);
    expect(await answers("exec", "run", "silent", "--cwd", "/")).toEqual([":4"]);
  });

  test("offers the ids of jobs, the services and the secrets of the node", async () => {
    const id = (await run(operon, "exec", "run", "local", "--detach", "--", "true")).trim();
    expect(await answers("exec", "logs", "local", "")).toContain(id);
    expect(await answers("exec", "logs", "local", id.slice(0, 2))).toContain(id);
    expect(await answers("service", "check", "local", "")).toEqual(["web", ":4"]);
    expect(await answers("service", "check", "local", "x")).toEqual([":4"]);
    expect(await answers("exec", "run", "local", "--secret", "")).toEqual(["TOKEN", ":4"]);
  });

  test("offers nothing of a node that does not answer, before its handshake is given up", async () => {
    expect(await answers("fs", "read", "sil")).toEqual(["silent:", ":4"]);
    const begun = performance.now();
    expect(await answers("fs", "read", "silent:/")).toEqual([":4"]);
    expect(await answers("exec", "logs", "silent", "")).toEqual([":4"]);
    expect(performance.now() - begun).toBeLessThan(2 * HANDSHAKE_TIMEOUT_MS);
  });

  test("attack 27: leaves out names that a terminal or the protocol would obey", async () => {
    const found = await answers("fs", "read", "local:/");
    expect(found).toContain("local:/c$(touch pwned)");
    expect(found.filter((word) => /\x1b|local:\/[xy]|^touch/.test(word))).toEqual([]);
  });

  test("answers without a daemon, and makes no home", async () => {
    const home = join(folder, "nowhere");
    expect(await answers("--home", home, "fs", "read", "local:/")).toEqual([":4"]);
    expect(await answers("--home", home, "fs", "re")).toContain("read");
    expect(existsSync(home)).toBeFalse();
  });
});

describe.each([
  ["bash", ["bash", "--norc", "--noprofile", "-i"], 'eval "$(operon completion bash)"'],
  [
    "zsh",
    ["zsh", "-f", "-i"],
    'autoload -Uz compinit && compinit -u -D && eval "$(operon completion zsh)"',
  ],
  ["fish", ["fish", "--no-config", "-i"], "operon completion fish | source"],
])("%s", (_name, argv, load) => {
  test("attack 27: inserts names of files so that they mean themselves, and runs none", async () => {
    const work = mkdtempSync(join(folder, "work-"));
    await using terminal = new TypedTerminal({
      argv: ["env", "-C", work, ...argv],
      env: { ...env, PS1: "> ", TERM: "dumb" },
    });
    terminal.type(`${load}; echo loa''ded\r`);
    await terminal.until("loaded");
    for (const [name, begun] of NAMES) {
      terminal.type(`operon fs read local:/${begun}`);
      await terminal.until(`local:/${begun}`);
      terminal.type("\t");
      await terminal.until(name.at(-1)!);
      terminal.type("\r");
      await terminal.until(`this is ${name[0]}`);
    }
    expect(readdirSync(work)).toEqual([]);
  }, 60_000);

  test.each(['"', "'"])(
    "attack 26: inserts names in a quote that is open (%s)",
    async (quote) => {
      const work = mkdtempSync(join(folder, "work-"));
      await using terminal = new TypedTerminal({
        argv: ["env", "-C", work, ...argv],
        env: { ...env, PS1: "> ", TERM: "dumb" },
      });
      terminal.type(`${load}; echo loa''ded\r`);
      await terminal.until("loaded");
      for (const [name, begun] of NAMES) {
        const typed = `${quote}local:/${begun.replace("\\", "")}`;
        terminal.type(`operon fs read ${typed}`);
        await terminal.until(typed);
        terminal.type("\t");
        await terminal.until(name.at(-1)!);
        terminal.type("\r");
        await terminal.until(`this is ${name[0]}`);
      }
      expect(readdirSync(work)).toEqual([]);
    },
    60_000,
  );

  test("completes values of flags, in a word of their own and behind =", async () => {
    await using terminal = new TypedTerminal({
      argv: [...argv],
      env: { ...env, PS1: "> ", TERM: "dumb" },
    });
    terminal.type(`${load}; echo loa''ded\r`);
    await terminal.until("loaded");
    for (const [typed, rest] of [
      ["doctor --node l", "ocal"],
      ["exec run local --cwd /s", "ub/"],
      ["exec run local --cwd=/s", "ub/"],
      ["exec run local --secret=T", "OKEN"],
    ] as const) {
      terminal.type(`operon ${typed}`);
      await terminal.until(typed);
      terminal.type("\t");
      await terminal.until(rest);
      // Ctrl-U: away with the line.
      terminal.type("\x15");
    }
  }, 60_000);
});
