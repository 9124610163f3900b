import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { ConfigBench, failureOf, MINIMAL, parse, settings } from "./config.fixture.ts";
import { CONFIG_BYTES_MAX, loadConfig } from "./load.ts";

describe("loadConfig()", () => {
  test("returns defaults, places and a fingerprint", async () => {
    using bench = new ConfigBench(MINIMAL);
    const { config, file, fingerprint, locate } = await bench.load();
    expect(config.daemon).toEqual({
      node_id: "here",
      listen: "127.0.0.1:7789",
      advertise_lan: false,
      allow_origins: [],
      audit: { reads: "relaxed" },
    });
    expect(file).toBe(bench.file);
    expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(locate(["policy", "mounts", 0])).toEqual({ file: "config.yaml", line: 5 });
  });

  test("keeps policy undefined when the file has none, so that nothing is exposed", async () => {
    using bench = new ConfigBench("version: 1\ndaemon: { node_id: a }\n");
    expect((await bench.load()).config.policy).toBeUndefined();
  });

  test("reads a mount path as the user's home, the file's folder, or absolute", async () => {
    const text = (path: string) =>
      `version: 1\npolicy: { mounts: [{ name: a, path: ${JSON.stringify(path)} }] }`;
    const pathOf = async (path: string) => (await parse(text(path))).config.policy?.mounts[0]?.path;
    expect(await pathOf("~")).toBe(homedir());
    expect(await pathOf("~/x/../y")).toBe(join(homedir(), "y"));
    expect(await pathOf("files")).toBe("/etc/operon/files");
    expect(await pathOf("/srv/data")).toBe("/srv/data");
    expect(await pathOf("~someone/x")).toBe("/etc/operon/~someone/x");
  });

  test("reads the secrets file as relative to the configuration", async () => {
    const { config } = await parse("version: 1\nsecrets: { file: secrets.yaml }");
    expect(config.secrets?.file).toBe("/etc/operon/secrets.yaml");
  });

  test("parses a capability's own section with its schema", async () => {
    const { config } = await parse("version: 1\npolicy: { tool: { roots: [/] } }");
    expect(config.policy).toMatchObject({ tool: { roots: ["/"], env: { allow: [] } } });
  });

  test("names the command that makes one when there is none", async () => {
    using bench = new ConfigBench();
    const error = await failureOf(() => bench.load());
    expect(error.code).toBe("config.missing");
    expect(error.hint).toContain("operon onboard");
  });

  test("accepts a file that others may read but not write", async () => {
    using bench = new ConfigBench(MINIMAL);
    chmodSync(bench.file, 0o644);
    expect((await bench.load()).config.version).toBe(1);
  });
});

describe("a configuration that others could have written", () => {
  for (const mode of [0o620, 0o602, 0o666, 0o622]) {
    test(`attack 33: a file of mode 0${mode.toString(8)} is refused`, async () => {
      using bench = new ConfigBench(MINIMAL);
      chmodSync(bench.file, mode);
      const error = await failureOf(() => bench.load());
      expect(error.code).toBe("identity.file_exposed");
      expect(error.hint).toContain("chmod 600");
    });
  }

  test("attack 33: a file in a folder that others may write is refused", async () => {
    using bench = new ConfigBench(MINIMAL);
    chmodSync(bench.folder, 0o777);
    expect((await failureOf(() => bench.load())).code).toBe("identity.folder_exposed");
  });

  test("attack 33: a symbolic link is refused, also one to a private file", async () => {
    using bench = new ConfigBench(MINIMAL);
    renameSync(bench.file, join(bench.folder, "real.yaml"));
    symlinkSync("real.yaml", bench.file);
    expect((await failureOf(() => bench.load())).code).toBe("identity.file_linked");
  });

  test("attack 18: a FIFO and a folder are refused without waiting", async () => {
    using bench = new ConfigBench();
    Bun.spawnSync(["mkfifo", "-m", "600", bench.file]);
    expect((await failureOf(() => bench.load())).code).toBe("identity.file_invalid");
    mkdirSync(join(bench.folder, "folder.yaml"), { mode: 0o700 });
    const folder = () => loadConfig(join(bench.folder, "folder.yaml"), { settings });
    expect((await failureOf(folder)).code).toBe("identity.file_invalid");
  });

  test("a file beyond the limit is refused", async () => {
    using bench = new ConfigBench(`version: 1\n#${"x".repeat(CONFIG_BYTES_MAX)}\n`);
    expect((await failureOf(() => bench.load())).code).toBe("identity.file_invalid");
  });

  test("text that is not UTF-8 is refused", async () => {
    using bench = new ConfigBench();
    writeFileSync(bench.file, new Uint8Array([0x76, 0xff, 0xfe]), { mode: 0o600 });
    expect((await failureOf(() => bench.load())).code).toBe("config.encoding_invalid");
  });
});

describe("a configuration that is broken", () => {
  test("attack 33: a half-written file is refused whole, with a line, at every length", async () => {
    for (let length = 0; length < MINIMAL.length; length++) {
      const text = MINIMAL.slice(0, length);
      const loaded = await parse(text).catch((error) => error);
      // What is left may be a smaller configuration, never one with more authority.
      if (!(loaded instanceof Error)) {
        expect(Object.keys(loaded.config.policy?.principals ?? {})).toEqual([]);
      } else expect((loaded as { code?: string }).code).toMatch(/^config\.(invalid|yaml_invalid)$/);
    }
    const error = await failureOf(() => parse(MINIMAL.slice(0, MINIMAL.indexOf('listen: "') + 12)));
    expect(error.message).toContain("config.yaml:");
  });

  test("duplicate keys are refused with the line", async () => {
    const error = await failureOf(() => parse("version: 1\ndaemon: {}\ndaemon: {}\n"));
    expect(error.code).toBe("config.yaml_invalid");
    expect(error.message).toContain("config.yaml:3");
  });

  test("aliases that multiply are refused quickly", async () => {
    const bomb = [`a0: &a0 [x, x, x, x, x, x, x, x, x]`];
    for (let level = 1; level < 12; level++) {
      const inner = Array(9)
        .fill(`*a${level - 1}`)
        .join(", ");
      bomb.push(`a${level}: &a${level} [${inner}]`);
    }
    const startMs = performance.now();
    const error = await failureOf(() => parse(`version: 1\n${bomb.join("\n")}\n`));
    expect(error.code).toBe("config.yaml_invalid");
    expect(performance.now() - startMs).toBeLessThan(2000);
  });

  test("endless nesting is refused", async () => {
    const error = await failureOf(() => parse("[".repeat(100_000)));
    expect(error.code).toBe("config.yaml_invalid");
  });

  test("tags and several documents are refused", async () => {
    for (const text of ["version: !!js/function 1", "version: 1\n---\nversion: 1\n"]) {
      expect((await failureOf(() => parse(text))).code).toMatch(/^config\./);
    }
  });

  test("an empty file and a list are refused", async () => {
    for (const text of ["", "# nothing\n", "- 1\n", "version"]) {
      expect((await failureOf(() => parse(text))).code).toBe("config.invalid");
    }
  });
});
