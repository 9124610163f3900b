import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { homeAt } from "../identity/home.ts";
import { createKey } from "../identity/keystore.ts";
import { ConfigBench, SOME_KEY, settings } from "./config.fixture.ts";
import { holdsFolder } from "./disk_check.ts";
import { type ConfigReport, explainConfig } from "./explain.ts";

/** A home with a key, a workspace beside it, and a configuration. */
class HomeBench extends ConfigBench {
  readonly home = homeAt(this.folder);
  readonly ownKey = createKey(this.home.key_path).publicKey.id;
  readonly workspace = `${this.folder}-work`;

  constructor(text: (bench: HomeBench) => string) {
    super();
    mkdirSync(this.workspace, { mode: 0o700 });
    this.write(text(this));
  }

  explain(): Promise<ConfigReport> {
    return explainConfig(this.file, {
      home: this.home,
      settings,
      caveats: {},
      operations: [
        { id: "tool.look", effect: "read" },
        { id: "tool.change", effect: "write" },
      ],
    });
  }

  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    Bun.spawnSync(["rm", "-rf", "--", this.workspace]);
  }
}

const good = ({ workspace, ownKey }: HomeBench) => `version: 1
daemon: { node_id: here, listen: "127.0.0.1:7789" }
policy:
  mounts: [{ name: workspace, path: ${workspace} }]
  tool: { roots: [/] }
  principals:
    here: { key: "${ownKey}", roles: [operator] }
  roles:
    operator:
      - allow: [tool.*]
`;

const codes = (report: ConfigReport) =>
  report.problems.map(({ level, code }) => `${level} ${code}`);

describe("explainConfig()", () => {
  test("finds nothing wrong with a good home", async () => {
    using bench = new HomeBench(good);
    const report = await bench.explain();
    expect(codes(report)).toEqual([]);
    expect(report.ok).toBe(true);
    expect(report.key).toBe(bench.ownKey);
  });

  test("says where every value comes from", async () => {
    using bench = new HomeBench(good);
    const { values } = await bench.explain();
    expect(values).toContainEqual({
      path: "daemon.listen",
      value: "127.0.0.1:7789",
      source: "config.yaml:2",
    });
    expect(values).toContainEqual({
      path: "daemon.advertise_lan",
      value: false,
      source: "default",
    });
    expect(values).toContainEqual({
      path: "policy.tool.roots",
      value: ["/"],
      source: "config.yaml:5",
    });
    expect(values).toContainEqual({ path: "policy.tool.env.allow", value: [], source: "default" });
  });

  test("says who may do what, with lines", async () => {
    using bench = new HomeBench(good);
    const { principals, roles, mounts, exposure } = await bench.explain();
    expect(principals).toEqual([
      {
        name: "here",
        key: bench.ownKey,
        roles: ["operator"],
        source: "config.yaml:7",
        is_self: true,
      },
    ]);
    expect(roles.operator).toEqual([
      { number: 1, verdict: "allow", operations: ["tool.*"], file: "config.yaml", line: 10 },
    ]);
    expect(mounts).toMatchObject([{ name: "workspace", state: "ok", writable: true }]);
    expect(exposure?.reach).toBe("this_machine");
  });

  test("holds no private key and no content of the secrets file", async () => {
    using bench = new HomeBench((at) => `${good(at)}secrets: { file: secrets.yaml }\n`);
    writeFileSync(join(bench.folder, "secrets.yaml"), "TOKEN: hunter2\n", { mode: 0o600 });
    const text = JSON.stringify(await bench.explain());
    expect(text).not.toContain("hunter2");
    const seed = (await Bun.file(bench.home.key_path).text()).trim().split(" ").at(-1) as string;
    expect(text).not.toContain(seed);
  });

  test("lists every error of a file that does not load, and still looks at the rest", async () => {
    using bench = new HomeBench(() => "version: 1\ndeamon: {}\npolicy: { principls: {} }\n");
    const report = await bench.explain();
    expect(report.ok).toBe(false);
    expect(report.problems.map(({ line }) => line)).toEqual([2, 3]);
    expect(report.files.find(({ what }) => what === "configuration")?.state).toBe("wrong");
    expect(report.files.find(({ what }) => what === "key")?.state).toBe("ok");
  });

  test("lists every error of a policy that does not compile", async () => {
    using bench = new HomeBench((at) => good(at).replace("[operator]", "[opertor]"));
    const report = await bench.explain();
    expect(report.problems).toMatchObject(
      [
        { level: "error", code: "policy.role_unknown", line: 7 },
        { level: "warning", code: "role-unused" },
      ].slice(0, 1),
    );
    expect(report.ok).toBe(false);
  });

  test("reports a missing configuration and key with what to do", async () => {
    using bench = new ConfigBench();
    const report = await explainConfig(bench.file, {
      home: homeAt(bench.folder),
      settings,
      caveats: {},
      operations: [],
    });
    expect(codes(report)).toEqual(["error config.missing", "error identity.file_missing"]);
    for (const { hint } of report.problems) expect(hint).toContain("operon onboard");
    const home = homeAt(join(bench.folder, "nowhere"));
    const nothing = await explainConfig(home.config_path, {
      home,
      settings,
      caveats: {},
      operations: [],
    });
    expect(nothing.problems).toHaveLength(3);
    for (const { hint } of nothing.problems) expect(hint).toContain("operon onboard");
  });

  test("attack 33: reports a key that others can read and a home that others can look into", async () => {
    using bench = new HomeBench(good);
    chmodSync(bench.home.key_path, 0o644);
    chmodSync(bench.folder, 0o755);
    const report = await bench.explain();
    expect(codes(report)).toContain("error identity.file_exposed");
    expect(codes(report)).toContain("error identity.folder_exposed");
    expect(report.key).toBeUndefined();
  });

  test("attack 33: reports a secrets file that others can read", async () => {
    using bench = new HomeBench((at) => `${good(at)}secrets: { file: secrets.yaml }\n`);
    writeFileSync(join(bench.folder, "secrets.yaml"), "", { mode: 0o644 });
    chmodSync(join(bench.folder, "secrets.yaml"), 0o644);
    expect(codes(await bench.explain())).toEqual(["error identity.file_exposed"]);
  });

  test("finds nothing wrong with a store of secrets that is made by the first secret", async () => {
    using bench = new HomeBench((at) => `${good(at)}secrets: { file: secrets.yaml }\n`);
    const report = await bench.explain();
    expect(codes(report)).toEqual([]);
    const path = join(bench.folder, "secrets.yaml");
    expect(report.files).toContainEqual({ what: "secrets", path, state: "absent" });
  });

  test("attack 33: looks at the store of secrets no section names, and at files it refers to", async () => {
    using bench = new HomeBench(good);
    const store = join(bench.folder, "secrets.yaml");
    writeFileSync(store, "");
    chmodSync(store, 0o644);
    expect(codes(await bench.explain())).toEqual(["error identity.file_exposed"]);
    chmodSync(store, 0o600);
    const token = join(bench.folder, "token");
    bench.write(`${good(bench)}secrets: { names: { TOKEN: file:token, LATER: file:later } }\n`);
    writeFileSync(token, "");
    chmodSync(token, 0o640);
    const { problems } = await bench.explain();
    expect(problems).toMatchObject([{ level: "error", code: "identity.file_exposed" }]);
    expect(problems[0]?.message).toContain(token);
  });

  test("notes files of secrets outside the home", async () => {
    using bench = new HomeBench((at) => `${good(at)}secrets: { file: /somewhere/else.yaml }\n`);
    const report = await bench.explain();
    expect(codes(report)).toEqual(["note secret-outside-home"]);
    expect(report.ok).toBe(true);
    bench.write(`${good(bench)}secrets: { names: { TOKEN: file:/run/no-such/token } }\n`);
    expect(codes(await bench.explain())).toEqual(["note secret-outside-home"]);
  });

  test("reports a mount that holds the home, also through a link", async () => {
    using bench = new HomeBench((at) => good(at).replace(at.workspace, `${at.workspace}/link`));
    symlinkSync(bench.folder, join(bench.workspace, "link"));
    expect(codes(await bench.explain())).toEqual(["error mount-holds-home"]);
  });

  test("reports a mount that is missing, no folder, or open to everyone", async () => {
    using bench = new HomeBench((at) => good(at).replace(at.workspace, `${at.workspace}/x`));
    expect(codes(await bench.explain())).toEqual(["error mount-missing"]);
    writeFileSync(join(bench.workspace, "x"), "");
    expect(codes(await bench.explain())).toEqual(["error mount-missing"]);
    bench.write(good(bench));
    chmodSync(bench.workspace, 0o777);
    expect(codes(await bench.explain())).toEqual(["warning mount-open"]);
  });

  test("warns of a port that every network reaches, and of one that serves nobody", async () => {
    using bench = new HomeBench((at) => good(at).replace("127.0.0.1", "0.0.0.0"));
    const open = await bench.explain();
    expect(codes(open)).toEqual(["warning listen-everywhere"]);
    expect(open.ok).toBe(true);
    bench.write('version: 1\ndaemon: { listen: "127.0.0.1:1" }\n');
    expect(codes(await bench.explain())).toEqual(["warning nobody-allowed"]);
  });

  test("notes nodes without a key and an own key that is no principal", async () => {
    using bench = new HomeBench(
      (at) =>
        `${good(at).replace(at.ownKey, SOME_KEY)}client: { nodes: { b: { endpoint: "ws://b:1" } } }\n`,
    );
    expect(codes(await bench.explain())).toEqual(["note node-unpinned", "note self-unknown"]);
  });
});

test("holdsFolder() follows links and tells siblings with a common prefix apart", () => {
  using bench = new ConfigBench();
  const at = (...parts: string[]) => join(bench.folder, ...parts);
  mkdirSync(at("a", "b"), { recursive: true });
  mkdirSync(at("a_evil"));
  symlinkSync(at("a"), at("link"));
  expect(holdsFolder(at("a"), at("a"))).toBe(true);
  expect(holdsFolder(at("link"), at("a", "b", "not", "yet"))).toBe(true);
  expect(holdsFolder("/", at("a"))).toBe(true);
  expect(holdsFolder(at("a"), at("a_evil"))).toBe(false);
  expect(holdsFolder(at("a", "b"), at("a"))).toBe(false);
});
