import { expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { VerbBench } from "./config_verbs.fixture.ts";

test("init config writes a valid example that lets nobody do anything", async () => {
  using bench = new VerbBench();
  const path = join(bench.folder, "conf", "config.yaml");
  const { code, stdout } = await bench.run("init config", { args: { path } });
  expect(code).toBe(0);
  expect(stdout).toContain(`Created ${path}`);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  await bench.run("onboard", { globals: { yes: true, quiet: true } });
  const explained = await bench.run("config explain", { globals: { config: path, json: true } });
  const { problems, principals, roles } = JSON.parse(explained.stdout);
  // Its workspace is an example too; the tester's machine may lack it.
  const errors = problems.filter(({ level }: { level: string }) => level === "error");
  expect(errors.filter(({ code }: { code: string }) => code !== "mount-missing")).toEqual([]);
  expect(principals).toEqual([]);
  expect(Object.keys(roles)).toEqual(["operator", "observer"]);
});

test("init config writes the schema beside the example, and says so with --json", async () => {
  using bench = new VerbBench();
  const path = join(bench.folder, "config.yaml");
  const { stdout } = await bench.run("init config", { args: { path }, globals: { json: true } });
  const schema = join(bench.folder, "config.schema.json");
  expect(JSON.parse(stdout)).toEqual({ created: [path, schema] });
  const printed = await bench.run("config schema");
  expect(readFileSync(schema, "utf8")).toBe(printed.stdout);
});

test("init config refuses whatever is there already, links included", async () => {
  using bench = new VerbBench();
  const path = join(bench.folder, "config.yaml");
  writeFileSync(path, "mine");
  symlinkSync("nowhere", join(bench.folder, "link.yaml"));
  mkdirSync(join(bench.folder, "folder"));
  for (const name of ["config.yaml", "link.yaml", "folder"]) {
    const args = { path: join(bench.folder, name) };
    const { code, error } = await bench.run("init config", { args });
    expect([code, error?.code]).toEqual([4, "config.exists"]);
  }
  expect(readFileSync(path, "utf8")).toBe("mine");
  expect(existsSync(join(bench.folder, "nowhere"))).toBe(false);
});

test("init config leaves an existing schema file alone", async () => {
  using bench = new VerbBench();
  writeFileSync(join(bench.folder, "config.schema.json"), "mine");
  await bench.run("init config", { args: { path: join(bench.folder, "config.yaml") } });
  expect(readFileSync(join(bench.folder, "config.schema.json"), "utf8")).toBe("mine");
});

test("attack 33: init config refuses a folder that others can write", async () => {
  using bench = new VerbBench();
  chmodSync(bench.folder, 0o777);
  const { error } = await bench.run("init config", {
    args: { path: join(bench.folder, "c.yaml") },
  });
  expect(error?.code).toBe("identity.folder_exposed");
});

test("init config without a path says what to write", async () => {
  using bench = new VerbBench();
  const { code, error } = await bench.run("init config");
  expect([code, error?.code]).toEqual([2, "cli.argument_missing"]);
});

test("config schema describes the sections of the node's capabilities", async () => {
  using bench = new VerbBench();
  const { code, stdout } = await bench.run("config schema");
  expect(code).toBe(0);
  const { properties } = JSON.parse(stdout);
  expect(properties.policy.properties.exec.properties.roots.type).toBe("array");
});
