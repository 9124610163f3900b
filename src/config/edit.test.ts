import { describe, expect, test } from "bun:test";
import { chmodSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { ConfigBench, failureOf, MINIMAL, SOME_KEY, settings } from "./config.fixture.ts";
import { addPrincipal, editConfig } from "./edit.ts";

const OTHER_KEY = "ed25519:y4ur7wpi7o4tzlrv4w4svmkvbj6bcnvkshe7xdjqdkuxzs53kgra";

const COMMENTED = `# who wrote this
version: 1

daemon: { node_id: here }   # a name

policy:
  mounts:
    # the only one
    - { name: workspace, at: /, path: ./files }
  principals: {}
  roles:
    observer: []
    operator: []
`;

describe("addPrincipal()", () => {
  test("adds a key, keeps every comment and leaves mode 0600", async () => {
    using bench = new ConfigBench(COMMENTED);
    chmodSync(bench.file, 0o644);
    const name = await addPrincipal(
      bench.file,
      { settings },
      { name: "laptop", key: SOME_KEY, roles: ["observer"] },
    );
    expect(name).toBe("laptop");
    const text = bench.read();
    for (const comment of ["# who wrote this", "# a name", "# the only one"]) {
      expect(text).toContain(comment);
    }
    expect((await bench.load()).config.policy?.principals).toEqual({
      laptop: { key: SOME_KEY, roles: ["observer"] },
    });
    expect(statSync(bench.file).mode & 0o777).toBe(0o600);
  });

  test("gives a known key more roles instead of a second name", async () => {
    using bench = new ConfigBench(COMMENTED);
    const add = (name: string, roles: string[]) =>
      addPrincipal(bench.file, { settings }, { name, key: SOME_KEY, roles });
    expect(await add("laptop", ["observer"])).toBe("laptop");
    expect(await add("other", ["operator", "observer"])).toBe("laptop");
    expect((await bench.load()).config.policy?.principals).toEqual({
      laptop: { key: SOME_KEY, roles: ["observer", "operator"] },
    });
  });

  test("numbers a name that another key has", async () => {
    using bench = new ConfigBench(COMMENTED);
    const add = (key: string) =>
      addPrincipal(bench.file, { settings }, { name: "laptop", key, roles: [] });
    expect([await add(SOME_KEY), await add(OTHER_KEY)]).toEqual(["laptop", "laptop-2"]);
  });

  test("makes a name out of whatever a stranger wished", async () => {
    for (const [wished, name] of [
      ["__proto__", "proto__"],
      ["constructor", "constructor"],
      ["A b\n: {x}\u202e", "a-b----x--"],
      ["../../etc", "etc"],
      ["", "node"],
      ["…", "node"],
      ["x".repeat(5000), "x".repeat(56)],
    ] as const) {
      using bench = new ConfigBench(COMMENTED);
      const principal = { name: wished, key: SOME_KEY, roles: ["observer"] };
      expect(await addPrincipal(bench.file, { settings }, principal)).toBe(name);
      expect(Object.keys((await bench.load()).config.policy?.principals ?? {})).toEqual([name]);
    }
  });

  test("adds all of many at once", async () => {
    using bench = new ConfigBench(COMMENTED);
    const alphabet = "abcdefgh";
    const keys = [...alphabet].map((letter) => `${SOME_KEY.slice(0, -9)}${letter.repeat(8)}q`);
    await Promise.all(
      keys.map((key) => addPrincipal(bench.file, { settings }, { name: "n", key, roles: [] })),
    );
    const principals = (await bench.load()).config.policy?.principals ?? {};
    expect(Object.keys(principals).length).toBe(keys.length);
  });

  test("makes the sections that are missing", async () => {
    using bench = new ConfigBench("version: 1\n");
    await addPrincipal(bench.file, { settings }, { name: "a", key: SOME_KEY, roles: [] });
    expect((await bench.load()).config.policy?.principals).toEqual({
      a: { key: SOME_KEY, roles: [] },
    });
  });
});

describe("editConfig()", () => {
  test("leaves the file alone when the result would not load", async () => {
    using bench = new ConfigBench(COMMENTED);
    const error = await failureOf(() =>
      editConfig(bench.file, { settings }, (document) => document.set("sneaky", true)),
    );
    expect(error.code).toBe("config.invalid");
    expect(bench.read()).toBe(COMMENTED);
  });

  test("does not edit a file that does not load", async () => {
    const broken = `${COMMENTED}nonsense: 1\n`;
    using bench = new ConfigBench(broken);
    const error = await failureOf(() => editConfig(bench.file, { settings }, () => {}));
    expect(error.code).toBe("config.invalid");
    expect(bench.read()).toBe(broken);
  });

  test("does not write over what someone else wrote meanwhile", async () => {
    using bench = new ConfigBench(COMMENTED);
    const theirs = `${COMMENTED}# mine\n`;
    const error = await failureOf(() =>
      editConfig(bench.file, { settings }, (document) => {
        writeFileSync(bench.file, theirs);
        document.setIn(["daemon", "advertise_lan"], true);
      }),
    );
    expect(error.code).toBe("config.changed_meanwhile");
    expect(error.retryable).toBe(true);
    expect(bench.read()).toBe(theirs);
  });

  test("leaves the file alone when the change cannot be made", async () => {
    using bench = new ConfigBench("version: 1\ndaemon: { node_id: a }\n");
    const error = await failureOf(() =>
      editConfig(bench.file, { settings }, (document) => document.setIn(["version", "x"], 1)),
    );
    expect(error.code).toBe("config.edit_failed");
    expect(bench.read()).toBe("version: 1\ndaemon: { node_id: a }\n");
  });

  test("attack 33: does not edit a file that others could have written", async () => {
    using bench = new ConfigBench(COMMENTED);
    chmodSync(bench.file, 0o666);
    const error = await failureOf(() => editConfig(bench.file, { settings }, () => {}));
    expect(error.code).toBe("identity.file_exposed");
    expect(readdirSync(bench.folder)).toEqual(["config.yaml"]);
  });

  test("leaves no temporary file behind", async () => {
    using bench = new ConfigBench(MINIMAL);
    await editConfig(bench.file, { settings }, (document) => {
      document.setIn(["daemon", "advertise_lan"], true);
    });
    expect(readdirSync(bench.folder).sort()).toEqual(["config.yaml", "config.yaml.lock"]);
    expect((await bench.load()).config.daemon?.advertise_lan).toBe(true);
  });
});
