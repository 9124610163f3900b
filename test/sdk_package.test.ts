// The SDK as its users get it: the packed file, installed into a fresh project, under Node.js and under Bun, against a real
// daemon; and a TypeScript program compiled against its types.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { TestHome, TestNode, until } from "./harness/mesh.ts";

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

/** A port that passes on to another, and whose connections can be cut. */
async function cuttableLine(port: number) {
  const sockets = new Set<Socket>();
  const server = createServer((from) => {
    const to = connect(port, "127.0.0.1");
    for (const [here, there] of [
      [from, to],
      [to, from],
    ] as const) {
      sockets.add(here);
      here.on("error", () => there.destroy()).on("close", () => there.destroy());
      here.pipe(there);
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const cut = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  const close = () => {
    cut();
    server.close();
  };
  return { port: (server.address() as AddressInfo).port, cut, [Symbol.dispose]: close };
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
    `import { connect, isError, OperonError } from "operon";
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

  test("opens a terminal, types into it, leaves it, and takes it up again where it was", async () => {
    const found = await values(
      runtime,
      `const keys = async function* () { yield new TextEncoder().encode("there\\r"); await new Promise(() => {}); };
const command = "stty -echo; echo ready; read name; echo hello $name; read more; exit 5";
const text = new TextDecoder();
let id = "", seen = 0, shown = "";
for await (const { channel, bytes } of other.exec.session({ command }, { send: keys() })) {
  if (channel === "control") { id = JSON.parse(text.decode(bytes)).session; continue; }
  seen += bytes.byteLength; shown += text.decode(bytes);
  if (shown.includes("hello there")) break;
}
const again = async function* () { yield new TextEncoder().encode("\\r"); await new Promise(() => {}); };
const second = other.exec.attach({ id, from: seen }, { send: again() });
for await (const { channel, bytes } of second) if (channel === "output") shown += text.decode(bytes);
say([shown, (await second.output).exit_code]); process.exit(0);`,
    );
    expect(found).toEqual([["ready\r\nhello there\r\n", 5]]);
  });

  test("runs commands whose values are words and never a line for a shell", async () => {
    const found = await values(
      runtime,
      `const odd = "a b; $(touch /tmp/x) '";
say(await other.$\`printf %s,%s \${odd} "c d"\`.text());
say(await other.$\`printf %s, \${["x", "y z"]}\`.text());
say(await other.$({ send: "3\\n1\\n2\\n" })\`sort\`.text());
const lines = [];
for await (const line of other.$\`printf a\\nb\\r\\n\\nlast\`.lines()) lines.push(line);
say(lines);
for await (const line of other.$\`yes\`.lines()) { say(line); break; }
say(await other.$\`echo \${JSON.stringify({ n: 1 })}\`.json());
try { for await (const line of other.$\`sh -c \${"echo one; exit 5"}\`.lines()) say(line); } catch (error) { say(error.data.exit_code); }
try { other.$\`rm -\${["r", "f"]}\`; } catch (error) { say(error.code); }
say((await other.$\`sh -c \${"exit 3"}\`.nothrow()).exit_code);
try { await other.$\`sh -c \${"echo no >&2; exit 4"}\`; } catch (error) { say([error instanceof OperonError, error.code, error.data]); }`,
    );
    expect(found).toEqual([
      "a b; $(touch /tmp/x) ',c d",
      "x,y z,",
      "1\n2\n3\n",
      ["a", "b", "", "last"],
      "y",
      { n: 1 },
      "one",
      5,
      "sdk.command_invalid",
      3,
      [true, "sdk.command_failed", { exit_code: 4, stderr: "no\n" }],
    ]);
  });

  test("fails with typed errors, and cancels by signals", async () => {
    const found = await values(
      runtime,
      `try { await other.fs.stat({ path: "/missing" }); } catch (error) { say([error instanceof OperonError, isError(error, "fs.missing"), error.kind]); }
const unknown = operon.node("nobody").fs.stat({ path: "/" });
try { await unknown; } catch (error) { say(error.code); }
try { await other.fs.stat({ path: "/" }, { send: "x" }); } catch (error) { say(error.code); }
try { await other.fs.write({ path: "/no" }, { send: (async function* () { yield "a"; yield 1; })() }); } catch (error) { say(error.code); }
try { await other.fs.stat({ path: "/no" }); } catch (error) { say(error.code); }
const stop = new AbortController();
setTimeout(() => stop.abort(), 50);
try { await other.$({ signal: stop.signal })\`sleep 60\`; } catch (error) { say(error.kind); }
try { await other.$({ timeout_secs: 0.1 })\`sleep 60\`; } catch (error) { say(error.data.exit_code); }`,
    );
    expect(found).toEqual([
      [true, true, "not_found"],
      "node.unknown",
      "sdk.send_invalid",
      "sdk.send_invalid",
      "fs.missing",
      "cancelled",
      124,
    ]);
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

  test("stops on the node what nobody reads any more", async () => {
    const mark = `${7000 + Math.floor(Math.random() * 1000)}.25`;
    const found = await values(
      runtime,
      `for await (const { bytes } of other.exec.run({ argv: ["sh", "-c", "echo on; exec sleep ${mark}"] })) { say(new TextDecoder().decode(bytes)); break; }
const reader = other.exec.run({ argv: ["sleep", "${mark}"] }).stream().getReader();
const reading = reader.read().catch(() => {});
await reader.cancel();
await reading;`,
    );
    expect(found).toEqual(["on\n"]);
    const running = () => Bun.spawnSync(["pgrep", "-fx", `sleep ${mark}`]).exitCode === 0;
    await until(() => !running());
  });

  test("fails what was cut in the middle as unavailable, and goes on with the next call", async () => {
    using line = await cuttableLine(other.port);
    const { child, ...running } = await program(
      runtime,
      `const cut = other.exec.run({ argv: ["sh", "-c", "echo on; exec sleep 60"] });
try {
  for await (const { bytes } of cut) say(new TextDecoder().decode(bytes));
} catch (error) { say([error.kind, error.retryable]); }
say((await other.node.info({})).node_id);`,
      `{ identity: ${JSON.stringify(home.home.key_path)}, nodes: { other: { endpoint: "ws://127.0.0.1:${line.port}", key: "${other.facts.key}" } } }`,
    );
    const [first, rest] = child.stdout.tee();
    await first.getReader().read();
    line.cut();
    Object.defineProperty(child, "stdout", { value: rest });
    expect(await running.values()).toEqual(["on\n", ["unavailable", true], "other"]);
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

  test("takes the seed of a key, and refuses options that do not go together", async () => {
    const seed = `new Uint8Array([${home.key.exportSeed().join()}])`;
    const address = `{ endpoint: "${other.endpoint}", key: "${other.facts.key}" }`;
    const found = await values(
      runtime,
      `say((await other.node.info({})).node_id);
const wrong = [
  { nodes: { other: ${address} } },
  { identity: ${seed}, nodes: { other: { endpoint: "ws://127.0.0.1:9" } } },
  { identity: ${seed}, home: "/x", nodes: {} },
  { identity: ${seed}, nodes: { local: ${address} } },
];
for (const options of wrong) await connect(options).catch((error) => say(error.code));
const stranger = await connect({ identity: new Uint8Array(32).fill(1), nodes: { other: ${address} } });
await stranger.node("other").node.info({}).catch((error) => say(error.code));
const impostor = await connect({ identity: ${seed}, nodes: { other: { ...${address}, key: "${home.id}" } } });
await impostor.node("other").node.info({}).catch((error) => say(error.kind));
await impostor[Symbol.asyncDispose]();
await stranger[Symbol.asyncDispose]();`,
      `{ identity: ${seed}, nodes: { other: ${address} } }`,
    );
    const invalid = "sdk.options_invalid";
    const expected = ["other", invalid, invalid, invalid, invalid, "policy.denied"];
    expect(found).toEqual([...expected, "unauthenticated"]);
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
  const SOURCE = `import { type Command, connect, isError, OperonError, type Peer } from "operon";
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
const command: Command = peer.$({ cwd: "/", signal: AbortSignal.timeout(1000) })\`ls \${["-l", "-a"]}\`;
for await (const line of command.lines()) line.length;
// @ts-expect-error a value is a text, a number or a list of them
peer.$\`ls \${{}}\`;
await peer.fs.write({ path: "/x" }, { send: new Blob(["x"]).stream(), signal: undefined });
// @ts-expect-error bytes or texts are sent here
await peer.fs.write({ path: "/x" }, { send: [1] });
const stream: ReadableStream<Uint8Array> = peer.fs.read({ path: "/x" }).stream();
void stream;
try { void code; } catch (error) { if (error instanceof OperonError) error.kind satisfies string; if (isError(error, "fs.missing")) error.code satisfies "fs.missing"; }
`;

  /** Compiles one file of the fresh project; what the compiler said. */
  function compiled(name: string, options: Record<string, unknown>): string {
    const path = join(project, `tsconfig.${name}.json`);
    const compilerOptions = {
      target: "es2022",
      // Node.js's types have what these say of streams and signals, too.
      lib: ["es2022", "esnext.disposable", "dom", "dom.asynciterable"],
      types: [],
      strict: true,
      noEmit: true,
      skipDefaultLibCheck: true,
      exactOptionalPropertyTypes: true,
      ...options,
    };
    writeFileSync(path, JSON.stringify({ compilerOptions, files: [name] }));
    const compiler = join(root, "node_modules/.bin/tsc");
    return Bun.spawnSync([compiler, "-p", path]).stdout.toString();
  }

  test.each([
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ])(
    "compile under %s, strictly, and refuse what is wrong",
    (module, moduleResolution) => {
      writeFileSync(join(project, "example.mts"), SOURCE);
      expect(compiled("example.mts", { module, moduleResolution })).toBe("");
    },
    60_000,
  );

  test("are those of the definitions, written out", () => {
    writeFileSync(
      join(project, "same.mts"),
      `import type { Capabilities as Published, OperationErrorCode as PublishedCode } from "operon";
import type { Capabilities, OperationErrorCode } from "${join(root, "src/sdk/typed_peer.ts")}";
type Fixed<T> = T extends Uint8Array ? T : T extends readonly (infer Item)[] ? readonly Fixed<Item>[]
  : T extends object ? { readonly [Key in keyof T]: Fixed<T[Key]> } : T;
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
type Sent<Options> = Options extends { readonly send?: infer Send } ? Send : never;
type Result<R> = R extends { readonly output: Promise<infer Output>; [Symbol.asyncIterator](): AsyncIterator<infer Item> }
  ? { output: Output; item: Item } : R extends Promise<infer Output> ? { output: Output } : never;
type Method = (input: never, options?: never) => unknown;
type SameMethod<A, B> = A extends Method ? B extends Method ? [
  Same<Fixed<Parameters<A>[0]>, Fixed<Parameters<B>[0]>>,
  Same<Sent<Parameters<A>[1]>, Sent<Parameters<B>[1]>>,
  Same<Fixed<Result<ReturnType<A>>>, Fixed<Result<ReturnType<B>>>>,
] : false : false;
type AllSame<A, B> = { [Id in keyof A & keyof B]: { [Name in keyof A[Id] & keyof B[Id]]: SameMethod<A[Id][Name], B[Id][Name]> } };
type AllTrue<A> = { [Id in keyof A]: { [Name in keyof A[Id]]: [true, true, true] } };
declare const found: AllSame<Capabilities, Published>;
found satisfies AllTrue<Capabilities>;
true satisfies Same<OperationErrorCode, PublishedCode>;
`,
    );
    const options = {
      module: "preserve",
      moduleResolution: "bundler",
      target: "esnext",
      lib: ["esnext", "dom", "dom.asynciterable"],
      types: ["bun"],
      typeRoots: [join(root, "node_modules/@types")],
      allowImportingTsExtensions: true,
      resolveJsonModule: true,
      skipLibCheck: true,
    };
    // What the sources have wrong is told by the check of their own types.
    const found = compiled("same.mts", options).split("\n");
    expect(found.filter((line) => line.includes("same.mts"))).toEqual([]);
  }, 90_000);
});
