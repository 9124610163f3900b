// Runs what README.md shows, in the order it shows it, in a home of its own: one shell session, from the quick start on.
//   ```sh      lines of the session
//   ```yaml    written to the file its first line names (`# workflow.yaml`)
//   ```ts      run with Bun from the folder of the clone
//   ```text    lines that must be in the output of the sh or ts block before it, in order; … stands for anything

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { loadManifest } from "../src/manifest.ts";
import { handWrittenVerbs } from "../src/verbs.ts";

const root = dirname(import.meta.dir);
const readme = readFileSync(join(root, "README.md"), "utf8");
const blocks = [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, text]) => ({
  language: language!,
  text: text!,
}));
const MARK = "----- block";
let folder: string;
let session: { readonly code: number; readonly output: string };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "operon-readme-"));
  session = await runSession();
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the README's commands", () => {
  test("end well", () => {
    expect(session.code, session.output).toBe(0);
  });

  test("print what the README says they print", () => {
    const outputs = session.output.split(/^----- block (\d+)\n/m);
    let checked = 0;
    for (const [index, block] of blocks.entries()) {
      if (block.language !== "text") continue;
      const at = outputs.indexOf(String(index - 1));
      expect(at, `block ${index} follows a block that runs`).toBeGreaterThan(0);
      let rest = outputs[at + 1]!;
      for (const line of block.text.trimEnd().split("\n")) {
        const found = linePattern(line).exec(rest);
        expect(found, `"${line}" is not in\n${rest}`).not.toBeNull();
        rest = rest.slice(found!.index + found![0].length);
        checked++;
      }
    }
    expect(checked).toBeGreaterThan(8);
  });

  test("leave the key and the log to their owner alone", async () => {
    const { statSync } = await import("node:fs");
    for (const name of ["", "key", "config.yaml", "audit"])
      expect(statSync(join(folder, "home", ".operon", name)).mode & 0o077).toBe(0);
  });
});

test("every command the documents name exists", async () => {
  const commands = new Set(handWrittenVerbs.map(({ path }) => path.join(" ")));
  for (const { id, operations } of await loadManifest()) {
    for (const { name, cli } of operations)
      for (const each of [name, cli.forward?.command, ...(cli.aliases ?? [])])
        commands.add(`${id} ${each}`);
  }
  const names = ["README.md", "CONTRIBUTING.md", ...skills()];
  const named = names.flatMap((name) => commandsIn(readFileSync(join(root, name), "utf8")));
  expect(named.length).toBeGreaterThan(15);
  const isKnown = (words: string) =>
    commands.has(words) ||
    commands.has(words.split(" ")[0]!) ||
    [...commands].some((command) => command.startsWith(`${words} `));
  expect(named.filter((words) => !isKnown(words))).toEqual([]);
});

test("every file the documents name exists", () => {
  const names = ["README.md", "CONTRIBUTING.md", ...skills()];
  const missing = names.flatMap((name) => {
    const text = readFileSync(join(root, name), "utf8");
    const paths = text.matchAll(
      /(?<![\w/~.])((?:src|test|scripts|policy-examples|skills)\/[\w./-]*)/g,
    );
    const links = text.matchAll(/\]\(([^)#:]+)\)/g);
    return [...paths, ...links].map(([, path]) => path!).filter((path) => !exists(path));
  });
  expect(missing).toEqual([]);
});

/** All blocks that run, as one shell session; background jobs end with it. */
async function runSession(): Promise<{ code: number; output: string }> {
  const clone = join(folder, "clone");
  const home = join(folder, "home");
  mkdirSync(clone);
  mkdirSync(home);
  // What the session writes lands beside links to the clone's own files.
  for (const name of readdirSync(root)) symlinkSync(join(root, name), join(clone, name));
  const child = Bun.spawn(["bash", "-c", script(await freePort())], {
    cwd: clone,
    env: {
      PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
      HOME: home,
      LANG: process.env.LANG ?? "C.UTF-8",
      NO_COLOR: "1",
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  const output = await new Response(child.stdout).text();
  return { code: await child.exited, output };
}

function script(port: number): string {
  const lines = [
    "set -euo pipefail",
    "exec 2>&1",
    `trap 'code=$?; kill $(jobs -p) 2>/dev/null; wait; exit $code' EXIT`,
  ];
  for (const [index, { language, text }] of blocks.entries()) {
    lines.push(`echo "${MARK} ${index}"`);
    if (language === "sh") lines.push(...text.trimEnd().split("\n").map(ready));
    if (language === "yaml") lines.push(hereDocument(text.match(/^# (\S+)\n/)![1]!, text));
    if (language === "ts")
      lines.push(hereDocument(`block-${index}.ts`, fromClone(text)), `bun ./block-${index}.ts`);
  }
  return lines.join("\n").replaceAll(":7789", `:${port}`);
}

/** A person types slower than a daemon starts. */
function ready(line: string): string {
  if (!line.startsWith("operon daemon start")) return line;
  const isThere = '[ -S "$HOME/.operon/daemon.sock" ]';
  return `${line}\nfor attempt in $(seq 200); do ${isThere} && break; sleep 0.05; done`;
}

function hereDocument(path: string, text: string): string {
  return `cat > ${path} <<'END_OF_BLOCK'\n${text}END_OF_BLOCK`;
}

/** The session's folder only links to the clone, and a link's own imports are looked for where it points. */
function fromClone(text: string): string {
  return text.replaceAll('"./src/', `"${root}/src/`);
}

function linePattern(line: string): RegExp {
  const parts = line.split("…").map((part) => RegExp.escape(part.trim()));
  return new RegExp(`^.*?${parts.join(".*?").replaceAll(/(?:\\x20)+/g, " +")}`, "m");
}

/** The words after `operon` in code: up to two, and only those that can be a command's name. */
function commandsIn(text: string): string[] {
  const code = [...text.matchAll(/```\w*\n(.*?)^```|`([^`\n]+)`/gms)].map(
    ([, block, inline]) => block ?? inline ?? "",
  );
  return code.flatMap((one) =>
    [...one.matchAll(/(?:^|[$;|] ?)operon ((?:[a-z_]+)(?: [a-z_]+)?)/gm)]
      .map(([, words]) => words!)
      .filter((words) => !words.startsWith("help")),
  );
}

function skills(): string[] {
  const folders = existsSync(join(root, "skills")) ? readdirSync(join(root, "skills")) : [];
  return folders
    .map((name) => `skills/${name}/SKILL.md`)
    .filter((path) => existsSync(join(root, path)));
}

function exists(path: string): boolean {
  return existsSync(join(root, path.replace(/[.,]$/, "")));
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
