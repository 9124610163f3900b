import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { loadKey } from "../../identity/keystore.ts";
import { VerbBench } from "./config_verbs.fixture.ts";

const yes = { yes: true };
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe("onboard", () => {
  test("makes home, key, configuration and workspace, all private, with the documented flags", async () => {
    using bench = new VerbBench();
    const { code, stdout } = await bench.run("onboard", {
      globals: yes,
      flags: {
        role: "both",
        "output-dir": bench.home,
        "node-id": "local",
        workspace: bench.workspace,
        listen: "127.0.0.1:7789",
      },
    });
    expect(code).toBe(0);
    expect(modeOf(bench.home)).toBe("700");
    expect(modeOf(bench.key)).toBe("600");
    expect(modeOf(bench.config)).toBe("600");
    expect(modeOf(bench.workspace)).toBe("700");
    expect(stdout).toContain("listens on 127.0.0.1:7789: only this machine can reach it");
    expect(stdout).toMatch(/runs commands for it as the user \w+.*no sandbox/);
    expect(stdout).not.toContain("unknown");
    expect(stdout).toContain("nobody else may do anything");
  });

  test("makes a home that config explain finds nothing wrong with", async () => {
    using bench = new VerbBench();
    await bench.run("onboard", { globals: yes });
    const { code, stdout } = await bench.run("config explain", { globals: { json: true } });
    const report = JSON.parse(stdout);
    expect(report.problems.filter(({ level }: { level: string }) => level === "error")).toEqual([]);
    expect(code).toBe(0);
    expect(report.principals).toMatchObject([
      { name: "local", roles: ["operator"], is_self: true },
    ]);
    expect(report.exposure.reach).toBe("this_machine");
  });

  test("writes the schema that the configuration's first line names", async () => {
    using bench = new VerbBench();
    await bench.run("onboard", { globals: yes });
    const [, file = ""] = /\$schema=\.\/(\S+)/.exec(readFileSync(bench.config, "utf8")) ?? [];
    const schema = JSON.parse(readFileSync(join(bench.home, file), "utf8"));
    expect(Object.keys(schema.properties.policy.properties)).toContain("exec");
  });

  test("prints one JSON document with --json", async () => {
    using bench = new VerbBench();
    const { stdout } = await bench.run("onboard", { globals: { yes: true, json: true } });
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({
      home: bench.home,
      role: "both",
      node_id: "local",
      key: loadKey(bench.key).publicKey.id,
      listen: "127.0.0.1:7789",
      reach: "this_machine",
      created: [bench.home, bench.key, bench.workspace, bench.config],
      kept: [],
      warnings: [],
    });
    const seed = readFileSync(bench.key, "utf8").trim().split(" ").at(-1) as string;
    expect(stdout).not.toContain(seed);
  });

  test("prints nothing with --quiet", async () => {
    using bench = new VerbBench();
    const { code, stdout, stderr } = await bench.run("onboard", {
      globals: { yes: true, quiet: true },
    });
    expect([code, stdout, stderr]).toEqual([0, "", ""]);
  });

  test("makes a client without workspace and port", async () => {
    using bench = new VerbBench();
    const { code } = await bench.run("onboard", { globals: yes, flags: { role: "client" } });
    expect(code).toBe(0);
    expect(existsSync(bench.workspace)).toBe(false);
    expect(readFileSync(bench.config, "utf8")).not.toContain("listen:");
  });

  test("uses --home, and leaves the one of the environment alone", async () => {
    using bench = new VerbBench();
    const home = join(bench.folder, "deep", "er", "home");
    await bench.run("onboard", { globals: { yes: true, home } });
    expect(modeOf(home)).toBe("700");
    expect(existsSync(bench.home)).toBe(false);
  });

  test("warns of a port that others can reach", async () => {
    using bench = new VerbBench();
    const flags = { listen: "0.0.0.0:7789" };
    const { code, stdout } = await bench.run("onboard", { globals: yes, flags });
    expect(code).toBe(0);
    expect(stdout).toContain(
      "Warning: it will listen on 0.0.0.0:7789: every machine on every network",
    );
  });
});

describe("onboard with something there already", () => {
  test("keeps an existing key", async () => {
    using bench = new VerbBench();
    await bench.run("onboard", { globals: yes });
    const key = readFileSync(bench.key, "utf8");
    const { stdout } = await bench.run("onboard", {
      globals: { yes: true, json: true },
      flags: { force: true },
    });
    expect(readFileSync(bench.key, "utf8")).toBe(key);
    expect(JSON.parse(stdout).kept).toEqual([
      bench.home,
      bench.key,
      bench.workspace,
      `${bench.config}.old`,
    ]);
  });

  test("refuses an existing configuration and changes nothing", async () => {
    using bench = new VerbBench();
    mkdirSync(bench.home, { mode: 0o700 });
    writeFileSync(bench.config, "mine", { mode: 0o600 });
    const { code, error } = await bench.run("onboard", { globals: yes });
    expect(code).toBe(4);
    expect(error?.code).toBe("onboard.config_exists");
    expect(error?.message).toContain(bench.config);
    expect(error?.hint).toContain("--force");
    expect(readdirSync(bench.home)).toEqual(["config.yaml"]);
    expect(readFileSync(bench.config, "utf8")).toBe("mine");
  });

  test("keeps every configuration it rewrites, also one that is not valid", async () => {
    using bench = new VerbBench();
    mkdirSync(bench.home, { mode: 0o700 });
    const flags = { force: true };
    for (const text of ["first", "second: ["]) {
      writeFileSync(bench.config, text, { mode: 0o600 });
      expect((await bench.run("onboard", { globals: yes, flags })).code).toBe(0);
    }
    expect(readFileSync(`${bench.config}.old`, "utf8")).toBe("first");
    expect(readFileSync(`${bench.config}.old-2`, "utf8")).toBe("second: [");
  });

  test("uses an existing workspace as it is", async () => {
    using bench = new VerbBench();
    mkdirSync(bench.workspace, { mode: 0o755 });
    writeFileSync(join(bench.workspace, "a"), "kept");
    await bench.run("onboard", { globals: yes });
    expect(readFileSync(join(bench.workspace, "a"), "utf8")).toBe("kept");
  });

  test("attack 33: refuses a home that others can look into or change", async () => {
    for (const mode of [0o755, 0o750, 0o777, 0o1777]) {
      using bench = new VerbBench();
      mkdirSync(bench.home);
      chmodSync(bench.home, mode);
      const { error } = await bench.run("onboard", { globals: yes });
      expect(error?.code).toBe("identity.folder_exposed");
      expect(readdirSync(bench.home)).toEqual([]);
    }
  });

  test("attack 33: refuses a home that is a symbolic link, also a dangling one", async () => {
    using bench = new VerbBench();
    mkdirSync(join(bench.folder, "real"), { mode: 0o700 });
    symlinkSync("real", bench.home);
    expect((await bench.run("onboard", { globals: yes })).error?.code).toBe("identity.file_linked");
    expect(readdirSync(join(bench.folder, "real"))).toEqual([]);
    const flags = { "output-dir": join(bench.folder, "dangling") };
    symlinkSync("nowhere", flags["output-dir"]);
    const { error } = await bench.run("onboard", { globals: yes, flags });
    expect(error?.code).toBe("identity.file_linked");
    expect(existsSync(join(bench.folder, "nowhere"))).toBe(false);
  });

  test("attack 33: refuses a home that every user could replace", async () => {
    using bench = new VerbBench();
    chmodSync(bench.folder, 0o777);
    const { error } = await bench.run("onboard", { globals: yes });
    expect(error?.code).toBe("onboard.home_invalid");
    expect(existsSync(bench.home)).toBe(false);
  });

  test("attack 33: refuses a key that others can read", async () => {
    using bench = new VerbBench();
    await bench.run("onboard", { globals: yes });
    chmodSync(bench.key, 0o644);
    const before = readFileSync(bench.config, "utf8");
    const { error } = await bench.run("onboard", { globals: yes, flags: { force: true } });
    expect(error?.code).toBe("identity.file_exposed");
    expect(readFileSync(bench.config, "utf8")).toBe(before);
  });

  test("refuses a configuration that is a symbolic link, also with --force", async () => {
    using bench = new VerbBench();
    mkdirSync(bench.home, { mode: 0o700 });
    writeFileSync(join(bench.folder, "victim"), "kept", { mode: 0o600 });
    symlinkSync(join(bench.folder, "victim"), bench.config);
    for (const force of [false, true]) {
      const { code } = await bench.run("onboard", { globals: yes, flags: { force } });
      expect(code).not.toBe(0);
    }
    expect(readFileSync(join(bench.folder, "victim"), "utf8")).toBe("kept");
  });
});

describe("onboard with bad answers", () => {
  const cases: readonly (readonly [name: string, value: string, code: string])[] = [
    ["role", "server", "cli.value_invalid"],
    ["node-id", "Not A Name", "identity.name_invalid"],
    ["node-id", "a\nroles: x", "identity.name_invalid"],
    ["node-id", "", "cli.value_invalid"],
    ["listen", "7789", "config.listen_invalid"],
    ["listen", "127.0.0.1", "config.listen_invalid"],
    ["listen", "a@127.0.0.1:1", "config.listen_invalid"],
    ["workspace", "/", "onboard.workspace_invalid"],
    ["workspace", "~", "onboard.workspace_invalid"],
    ["workspace", "~/.operon", "onboard.workspace_invalid"],
    ["workspace", "~/.operon/inside", "onboard.workspace_invalid"],
  ];
  for (const [name, value, code] of cases) {
    test(`refuses --${name} ${JSON.stringify(value)} and makes nothing`, async () => {
      using bench = new VerbBench();
      const { error } = await bench.run("onboard", { globals: yes, flags: { [name]: value } });
      expect(error?.code).toBe(code);
      expect(error?.hint).toBeString();
      expect(readdirSync(bench.folder)).toEqual([]);
    });
  }

  test("refuses a workspace that is a file, and one that links to the home's folder", async () => {
    using bench = new VerbBench();
    writeFileSync(join(bench.folder, "file"), "");
    symlinkSync(bench.folder, join(bench.folder, "link"));
    for (const name of ["file", "link"]) {
      const flags = { workspace: join(bench.folder, name) };
      const { error } = await bench.run("onboard", { globals: yes, flags });
      expect(error?.code).toBe("onboard.workspace_invalid");
    }
    expect(existsSync(bench.home)).toBe(false);
  });

  test("refuses --config, which it would not honour", async () => {
    using bench = new VerbBench();
    const { error } = await bench.run("onboard", { globals: { yes: true, config: "x.yaml" } });
    expect(error?.code).toBe("cli.value_invalid");
  });
});

describe("attack 27: a folder's name cannot steer the terminal", () => {
  const evil = "x\u001b]0;owned\u0007\r\u009b2J\u202e\u2028";
  const spelled = "x\\x1b]0;owned\\x07\\r\\x9b2J\\u202e\\u2028";
  const isHarmless = (text: string) =>
    expect(text.replaceAll("\n", "")).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);

  test("attack 27: escapes in what was made and what it opens are spelled out", async () => {
    using bench = new VerbBench();
    const home = join(bench.folder, `home ${evil}\nWarning: fake`);
    const workspace = join(bench.folder, `work ${evil}\nCreated /fake`);
    const flags = { "output-dir": home, workspace };
    const made = await bench.run("onboard", { globals: yes, flags });
    expect(made.code).toBe(0);
    expect(made.stdout).toContain(`Created ${join(bench.folder, `home ${spelled}`)}\\nWarning`);
    expect(made.stdout).toContain(`serves the folder ${join(bench.folder, `work ${spelled}`)}`);
    isHarmless(made.stdout);
    const again = await bench.run("onboard", { globals: yes, flags: { ...flags, force: true } });
    expect(again.stdout).toContain(`Kept    ${join(bench.folder, `home ${spelled}`)}`);
    for (const { stdout } of [made, again])
      expect(stdout).not.toMatch(/^(Warning|Created \/fake)/m);
    isHarmless(again.stdout);
  });

  test("attack 27: escapes in what is going to be done are spelled out before the question", async () => {
    using bench = new VerbBench();
    const { stderr } = await bench.run("onboard", {
      flags: { "output-dir": join(bench.folder, `home ${evil}\nListen      127.0.0.1:1`) },
      typed: `both\n\n${join(bench.folder, `work ${evil}end`)}\n\nn\n`,
    });
    expect(stderr).toContain(`Home        ${join(bench.folder, `home ${spelled}`)}\\nListen`);
    expect(stderr).toContain(`Workspace   ${join(bench.folder, `work ${spelled}`)}end`);
    isHarmless(stderr);
    expect(readdirSync(bench.folder)).toEqual([]);
  });

  test.each([
    ["an escape", "\u001b[2J"],
    ["a C1 control", "\u009b2J"],
    ["a bidirectional override", "\u202e"],
    ["a line feed", "\n"],
  ])("attack 27: a role, a name or an address with %s in it is refused", async (_, character) => {
    using bench = new VerbBench();
    for (const [flags, code] of [
      [{ "node-id": `a${character}b` }, "identity.name_invalid"],
      [{ listen: `127.0.0.1${character}:7789` }, "config.listen_invalid"],
      [{ role: `both${character}` }, "cli.value_invalid"],
    ] as const)
      expect((await bench.run("onboard", { globals: yes, flags })).error?.code).toBe(code);
    expect(readdirSync(bench.folder)).toEqual([]);
  });
});

describe("onboard on a terminal", () => {
  test("asks for what no flag gives, and makes it after a yes", async () => {
    using bench = new VerbBench();
    const { code, stderr } = await bench.run("onboard", {
      typed: "both\ngpu\n\n127.0.0.1:9000\ny\n",
    });
    expect(code).toBe(0);
    expect(stderr).toContain("Name of this node [local]: ");
    expect(readFileSync(bench.config, "utf8")).toContain('node_id: "gpu"');
    expect(readFileSync(bench.config, "utf8")).toContain('listen: "127.0.0.1:9000"');
  });

  test("asks nothing that a flag gave", async () => {
    using bench = new VerbBench();
    const { stderr } = await bench.run("onboard", {
      flags: { role: "both", "node-id": "a", workspace: bench.workspace, listen: "127.0.0.1:1" },
      typed: "y\n",
    });
    expect(stderr).not.toContain("Name of this node");
    expect(existsSync(bench.config)).toBe(true);
  });

  test("changes nothing without a yes, nor when the terminal goes away", async () => {
    for (const typed of ["both\n\n\n\n\n", "both\n\n\n\nn\n", "both\n\n\n\nyess\n", "both\n", ""]) {
      using bench = new VerbBench();
      expect((await bench.run("onboard", { typed })).code).not.toBe(0);
      expect(readdirSync(bench.folder)).toEqual([]);
    }
  });

  test("warns before a port that others can reach is opened", async () => {
    using bench = new VerbBench();
    const { stderr } = await bench.run("onboard", { typed: "both\n\n\n0.0.0.0:7789\nn\n" });
    expect(stderr).toContain("Warning: it will listen on 0.0.0.0:7789");
    expect(readdirSync(bench.folder)).toEqual([]);
  });

  test("without a terminal it needs --yes, and says so", async () => {
    using bench = new VerbBench();
    const { code, error } = await bench.run("onboard");
    expect(code).toBe(7);
    expect(error?.code).toBe("onboard.confirmation_needed");
    expect(error?.hint).toContain("--yes");
    expect(readdirSync(bench.folder)).toEqual([]);
  });
});
