// `operon doctor` as its user runs it: on the real command line, in homes where one thing each is wrong.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, chmodSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { DoctorReport } from "../src/doctor/finding.ts";
import { operatorPolicy, TestHome, TestNode, textStream } from "./harness/mesh.ts";

const main = join(dirname(import.meta.dir), "src/main.ts");

async function doctor(home: string, ...words: readonly string[]) {
  const child = Bun.spawn([process.execPath, main, "--home", home, "doctor", "--json", ...words], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const [text, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  expect(errors).toBe("");
  return { code, ...(JSON.parse(text) as DoctorReport) };
}

describe("doctor", () => {
  let own: TestHome;
  beforeAll(() => {
    own = new TestHome({ name: "own" });
  });
  afterAll(() => own[Symbol.dispose]());

  test("finds nothing wrong in a fresh home, and says that no daemon runs", async () => {
    const { code, ok, findings } = await doctor(own.home.path);
    expect({ code, ok }).toEqual({ code: 0, ok: true });
    expect(findings.find(({ check }) => check === "daemon")).toMatchObject({
      status: "warning",
      fix: "Run: operon daemon start",
    });
    for (const { status, fix } of findings) if (status !== "ok") expect(fix).toBeTruthy();
    for (const check of ["sandbox", "mount runtime"])
      expect(findings.filter((finding) => finding.check === check)).toHaveLength(1);
  });

  test("attack 33: finds a key others can read", async () => {
    using home = new TestHome({ name: "open" });
    chmodSync(home.home.key_path, 0o644);
    const { code, findings } = await doctor(home.home.path);
    expect(code).toBe(1);
    const problem = findings.find(({ status }) => status === "problem");
    expect(problem?.what).toContain("key");
    expect(problem?.fix).toContain("chmod 600");
  });

  test("finds a configuration that is not valid, with the line", async () => {
    using home = new TestHome({ name: "bad" });
    appendFileSync(home.home.config_path, "polcy: {}\n");
    const { code, findings } = await doctor(home.home.path);
    expect(code).toBe(1);
    expect(findings[0]).toMatchObject({ check: "config", status: "problem" });
    expect(findings[0]?.what).toContain("config.yaml:");
  });

  test("works in a home that is not there", async () => {
    const { code, findings } = await doctor(join(own.folder, "nowhere"));
    expect(code).toBe(1);
    expect(findings.some(({ fix }) => fix?.includes("operon onboard"))).toBe(true);
  });

  test("tells an unreachable node from one that answers", async () => {
    await using there = await TestNode.start({ name: "there" });
    await using here = await TestNode.start({
      name: "here",
      nodes: `there: { endpoint: "${there.endpoint}", key: "${there.facts.key}" }, gone: { endpoint: "ws://127.0.0.1:1", key: "${own.id}" }`,
    });
    const { code, findings } = await doctor(here.test.home.path);
    expect(code).toBe(1);
    const nodes = findings.filter(({ node }) => node !== undefined);
    expect(nodes.find(({ node }) => node === "gone")?.status).toBe("problem");
    expect(nodes.find(({ node }) => node === "gone")?.fix).toBeTruthy();
    expect(nodes.some(({ node, status }) => node === "there" && status !== "problem")).toBe(true);
  });

  test("tries the services of every node, from where the node is", async () => {
    using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const policy = (own: string, ...others: readonly string[]) =>
      `${operatorPolicy(own, ...others).replace("node.*", "node.*, service.*")}
  services:
    - { id: here, host: 127.0.0.1, port: ${taken.port} }
    - { id: gone, host: 127.0.0.1, port: 1 }`;
    using home = new TestHome({ name: "asks" });
    await using there = await TestNode.start({
      name: "there",
      policy: (own) => policy(own, home.id),
    });
    const nodes = `there: { endpoint: "${there.endpoint}", key: "${there.facts.key}" }`;
    home.configure({ name: "asks", nodes, policy });
    const { code, findings } = await doctor(home.home.path);
    expect(code).toBe(1);
    const services = findings.filter(({ check }) => check.startsWith("service "));
    expect(services.map(({ check, node, status }) => ({ check, node, status }))).toEqual([
      { check: "service here", node: undefined, status: "ok" },
      { check: "service gone", node: undefined, status: "problem" },
      { check: "service here", node: "there", status: "ok" },
      { check: "service gone", node: "there", status: "problem" },
    ]);
    const one = await doctor(home.home.path, "--node", "there");
    expect(one.findings.map(({ check }) => check)).toContain("service gone");
  });

  test("says which secrets cannot be used, and refuses files that are open to others", async () => {
    const policy = (own: string) => operatorPolicy(own).replace("node.*", "node.*, secret.*");
    using home = new TestHome({ name: "keeps", policy });
    const secrets = async () => {
      const { code, findings } = await doctor(home.home.path);
      return { code, found: findings.filter(({ check }) => check === "secrets") };
    };
    expect(await secrets()).toEqual({ code: 0, found: [] });
    const token = join(home.home.path, "token");
    writeFileSync(token, "a-token-in-a-file", { mode: 0o600 });
    const names = "{ THERE: file:token, GONE: file:gone, UNSET: env:OPERON_TEST_NO_SUCH_VARIABLE }";
    appendFileSync(home.home.config_path, `secrets: { names: ${names} }\n`);
    const { code, found } = await secrets();
    expect(code).toBe(0);
    expect(found.map(({ status }) => status)).toEqual(["warning", "warning"]);
    expect(found.map(({ what }) => what).join("\n")).toMatch(/GONE(.|\n)*UNSET/);
    expect(found.map(({ fix }) => fix).join("\n")).toMatch(/Put the value(.|\n)*Set OPERON_TEST/);
    chmodSync(token, 0o644);
    const open = await doctor(home.home.path);
    expect(open.code).toBe(1);
    const problem = open.findings.find(({ status }) => status === "problem");
    expect(problem?.what).toContain(token);
    expect(problem?.fix).toContain("chmod 600");
  });

  test("needs no configuration to look at the mount runtime", async () => {
    const { findings } = await doctor(join(own.folder, "nowhere"), "--mount-runtime");
    expect(findings.map(({ check }) => check)).toEqual(["mount runtime"]);
  });

  test("attack 34: finds an edited audit log", async () => {
    using home = new TestHome({ name: "edited" });
    const node = await TestNode.start(home);
    const written = await node.call(
      "local",
      "fs.write",
      { path: "/a" },
      { outgoing: textStream("x") },
    );
    expect(written.error).toBeUndefined();
    await node.stop();
    const segment = readdirSync(home.home.audit_path).find((name) => name.endsWith(".jsonl"))!;
    const path = join(home.home.audit_path, segment);
    const text = await Bun.file(path).text();
    rmSync(path);
    writeFileSync(path, text.replace("fs.write", "fs.xxxxx"), { mode: 0o600 });
    const { code, findings } = await doctor(home.home.path);
    expect(code).toBe(1);
    expect(findings.find(({ check }) => check === "audit")?.status).toBe("problem");
  });
});
