// The SDK as its users get it: the packed file, installed into a fresh project, under Node.js and under Bun, against a real
// daemon; and a TypeScript program compiled against its types.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { TestHome, TestNode } from "./harness/mesh.ts";

const root = dirname(import.meta.dir);
let project: string;
let home: TestHome;
let node: TestNode;
let other: TestNode;

beforeAll(async () => {
  run(["node", join(root, "scripts/pack.mjs")], root);
  const packed = readdirSync(join(root, "dist")).find((name) => name.endsWith(".tgz"))!;
  project = mkdtempSync(join(tmpdir(), "operon-package-"));
  const manifest = { name: "fresh", private: true, type: "module" };
  writeFileSync(join(project, "package.json"), JSON.stringify(manifest));
  run(
    [
      "npm",
      "install",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      "--prefer-offline",
      join(root, "dist", packed),
    ],
    project,
  );
  home = new TestHome({ name: "here" });
  other = await TestNode.start({
    name: "other",
    policy: () => policyFor(home.id),
  });
  home.configure({
    name: "here",
    nodes: `other: { endpoint: "${other.endpoint}", key: "${other.facts.key}" }`,
  });
  node = await TestNode.start(home);
}, 120_000);
afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
  await other?.[Symbol.asyncDispose]();
  if (project) rmSync(project, { recursive: true, force: true });
});

function policyFor(key: string): string {
  return `  principals:
    caller: { key: "${key}", roles: [all] }
  roles:
    all:
      - allow: [node.*, fs.*, exec.*]`;
}

function run(command: readonly string[], cwd: string): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], {
    cwd,
    env: { ...process.env, NO_COLOR: "1" },
  });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}\n${stdout}${stderr}`);
  return stdout.toString();
}

/** A program of the fresh project; `operon` is connected to the home before and closed after. */
async function program(
  runtime: string,
  body: string,
  connect = `{ home: ${JSON.stringify(home.home.path)} }`,
) {
  const path = join(project, `program-${Bun.hash(runtime + body + connect)}.mjs`);
  writeFileSync(
    path,
    `import { connect, OperonError } from "operon";
const operon = await connect(${connect});
const here = operon.node("local");
const other = operon.node("other");
const say = (value) => console.log(JSON.stringify(value));
${body}
await operon[Symbol.asyncDispose]();`,
  );
  const child = Bun.spawn([runtime, path], {
    cwd: project,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  return {
    child,
    async values(): Promise<unknown[]> {
      const [text, errors, code] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      expect({ code, errors }).toEqual({ code: 0, errors: "" });
      return text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
    },
  };
}

const values = async (...parts: Parameters<typeof program>) => (await program(...parts)).values();

describe.each(["node", process.execPath])("the package under %s", (runtime) => {
  test("calls the own node and others through the daemon", async () => {
    const found = await values(
      runtime,
      `say((await here.node.info({})).node_id); say((await other.node.info({})).node_id);`,
    );
    expect(found).toEqual(["here", "other"]);
  });

  test("sends and receives streams, as iterables and as web streams", async () => {
    const found = await values(
      runtime,
      `const big = new Uint8Array(3_000_000).fill(7);
say((await other.fs.write({ path: "/big" }, { send: new Blob([big]).stream() })).size_bytes);
let size = 0;
for await (const bytes of other.fs.read({ path: "/big" })) size += bytes.byteLength;
say(size);
say((await new Response(other.fs.read({ path: "/big" }).stream()).arrayBuffer()).byteLength);
const names = [];
for await (const entry of other.fs.list({ path: "/" })) names.push(entry.name);
say(names);`,
    );
    expect(found).toEqual([3_000_000, 3_000_000, 3_000_000, ["big"]]);
  });

  test("runs commands whose values are words and never a line for a shell", async () => {
    const found = await values(
      runtime,
      `const odd = "a b; $(touch /tmp/x) '";
say(await other.$\`printf %s,%s \${odd} "c d"\`.text());
say(await other.$\`printf %s, \${["x", "y z"]}\`.text());
say(await other.$({ send: "3\\n1\\n2\\n" })\`sort\`.lines());
say((await other.$\`sh -c \${"exit 3"}\`.nothrow()).exit_code);
try { await other.$\`sh -c \${"echo no >&2; exit 4"}\`; } catch (error) { say([error instanceof OperonError, error.code, error.data]); }`,
    );
    expect(found).toEqual([
      "a b; $(touch /tmp/x) ',c d",
      "x,y z,",
      ["1", "2", "3"],
      3,
      [true, "sdk.command_failed", { exit_code: 4, stderr: "no\n" }],
    ]);
  });

  test("fails with typed errors, and cancels by signals", async () => {
    const found = await values(
      runtime,
      `try { await other.fs.stat({ path: "/missing" }); } catch (error) { say([error instanceof OperonError, error.code, error.kind]); }
const stop = new AbortController();
setTimeout(() => stop.abort(), 50);
try { await other.$({ signal: stop.signal })\`sleep 60\`; } catch (error) { say(error.kind); }
try { await other.$({ timeout_secs: 0.1 })\`sleep 60\`; } catch (error) { say(error.data.exit_code); }`,
    );
    expect(found).toEqual([[true, "fs.missing", "not_found"], "cancelled", 124]);
  });

  test("finds a restarted daemon again", async () => {
    const { child, ...running } = await program(
      runtime,
      `say((await here.node.info({})).node_id);
await new Promise((resolve) => process.stdin.once("data", resolve));
say((await here.node.info({})).node_id);
say(await here.$\`echo back\`.text());
process.stdin.destroy();`,
    );
    // Until the first line is there, the daemon must stay.
    const [first, rest] = child.stdout.tee();
    await first.getReader().read();
    await node.stop();
    node = await TestNode.start(home);
    child.stdin.write("go\n");
    child.stdin.end();
    Object.defineProperty(child, "stdout", { value: rest });
    expect(await running.values()).toEqual(["here", "here", "back\n"]);
  });

  test("dials nodes by address and key, without a home", async () => {
    const connect = `{ identity: ${JSON.stringify(home.home.key_path)}, nodes: { other: { endpoint: "${other.endpoint}", key: "${other.facts.key}" } } }`;
    const found = await values(
      runtime,
      `say((await other.node.info({})).node_id);
try { await here.node.info({}); } catch (error) { say([error.code, typeof error.hint]); }`,
      connect,
    );
    expect(found).toEqual(["other", ["sdk.no_daemon", "string"]]);
  });
});

test("without a daemon, Node.js dials what the home knows and is told what it cannot", async () => {
  using alone = new TestHome({ name: "alone" });
  copyFileSync(home.home.key_path, alone.home.key_path);
  alone.configure({
    name: "alone",
    nodes: `other: { endpoint: "${other.endpoint}", key: "${other.facts.key}" }`,
  });
  const found = await values(
    "node",
    `say((await other.node.info({})).node_id);
try { await here.node.info({}); } catch (error) { say(error.code); }`,
    `{ home: ${JSON.stringify(alone.home.path)} }`,
  );
  expect(found).toEqual(["other", "sdk.no_daemon"]);
});

describe("the package's types", () => {
  const SOURCE = `import { connect, OperonError, type Peer } from "operon";
const operon = await connect({ home: "/nowhere" });
const peer: Peer = operon.node("gpu");
const info = await peer.node.info({});
const name: string = info.node_id;
// @ts-expect-error no such field
info.nodeId;
// @ts-expect-error no such operation
peer.fs.explode({});
// @ts-expect-error a path is a text
peer.fs.stat({ path: 1 });
// @ts-expect-error a call without a stream of its own sends none
peer.fs.stat({ path: "/" }, { send: "x" });
for await (const entry of peer.fs.list({ path: "/" })) { const size: number | undefined = entry.size_bytes; void size; }
for await (const { channel, bytes } of peer.exec.run({ argv: ["ls"] })) if (channel === "stderr") void bytes.byteLength;
const { exit_code } = await peer.$\`ls \${name}\`.nothrow();
const code: number = exit_code;
try { void code; } catch (error) { if (error instanceof OperonError) error.kind satisfies string; }
`;

  test.each([
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ])(
    "compile under %s, strictly, and refuse what is wrong",
    (module, moduleResolution) => {
      writeFileSync(join(project, "example.mts"), SOURCE);
      const compilerOptions = {
        ...{
          module,
          moduleResolution,
          target: "es2022",
          lib: ["es2022", "esnext.disposable", "dom", "dom.asynciterable"],
        },
        ...{
          strict: true,
          noEmit: true,
          skipLibCheck: false,
          types: ["node"],
          exactOptionalPropertyTypes: true,
        },
      };
      mkdirSync(join(project, "node_modules/@types"), { recursive: true });
      for (const types of ["@types/node", "undici-types"]) {
        const link = join(project, "node_modules", types);
        rmSync(link, { force: true });
        symlinkSync(join(root, "node_modules", types), link);
      }
      writeFileSync(
        join(project, "tsconfig.json"),
        JSON.stringify({ compilerOptions, files: ["example.mts"] }),
      );
      const { exitCode, stdout } = Bun.spawnSync([
        join(root, "node_modules/.bin/tsc"),
        "-p",
        project,
      ]);
      expect(stdout.toString()).toBe("");
      expect(exitCode).toBe(0);
    },
    120_000,
  );
});
