// A release for this platform, made and installed as a user does: from a folder and from an address, and refused when it was changed.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import project from "../package.json" with { type: "json" };

const root = dirname(import.meta.dir);
const target = `${process.platform}-${process.arch}`;
let folder: string;
let release: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "operon-install-"));
  const made = Bun.spawnSync(["node", join(root, "scripts/release.mjs"), "--only", target], {
    cwd: root,
  });
  expect(made.exitCode, made.stderr.toString()).toBe(0);
  release = join(folder, "release");
  cpSync(join(root, "dist/release"), release, { recursive: true });
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function install(from: string, to: string) {
  const child = Bun.spawn(["sh", join(root, "scripts/install.sh"), "--from", from, "--to", to], {
    env: { PATH: process.env.PATH, HOME: folder },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, code };
}

describe("install.sh", () => {
  test("installs from a folder, with the link the daemon is called by", async () => {
    const to = join(folder, "bin");
    const { stdout, code } = await install(release, to);
    expect(code).toBe(0);
    expect(stdout).toContain(`Installed operon ${project.version}`);
    expect(stdout).toContain("export PATH=");
    expect(lstatSync(join(to, "operon")).mode & 0o777).toBe(0o755);
    const linked = Bun.spawnSync([join(to, "operond"), "--help"], { env: { HOME: folder } });
    expect(linked.stdout.toString()).toContain("daemon");
  });

  test("installs from an address, over an older one", async () => {
    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: ({ url }) => {
        const file = Bun.file(join(release, new URL(url).pathname.slice(1)));
        return file.size > 0 ? new Response(file) : new Response("", { status: 404 });
      },
    });
    const to = join(folder, "over");
    Bun.spawnSync(["mkdir", to]);
    writeFileSync(join(to, "operon"), "old", { mode: 0o755 });
    expect((await install(`http://127.0.0.1:${server.port}`, to)).code).toBe(0);
    expect(readFileSync(join(to, "operon")).subarray(1, 4).toString()).toBe("ELF");
  });

  test("attack 39: installs nothing when the archive is not what the sums say", async () => {
    const changed = join(folder, "changed");
    cpSync(release, changed, { recursive: true });
    appendFileSync(join(changed, `operon-${project.version}-${target}.tar.gz`), "x");
    const to = join(folder, "nothing");
    const { stderr, code } = await install(changed, to);
    expect(code).toBe(1);
    expect(stderr).toContain("was changed or cut; nothing was installed");
    expect(existsSync(to)).toBe(false);
  });

  test("says what is missing", async () => {
    expect((await install(join(folder, "empty"), folder)).stderr).toContain("has no SHA256SUMS");
    const other = join(folder, "other");
    cpSync(release, other, { recursive: true });
    writeFileSync(join(other, "SHA256SUMS"), `${"0".repeat(64)}  operon-1.0.0-plan9-x64.tar.gz\n`);
    expect((await install(other, folder)).stderr).toContain(`has nothing for ${target}`);
  });
});

test("an archive holds the executable, and what people and agents read", () => {
  const name = `operon-${project.version}-${target}`;
  const listed = Bun.spawnSync(["tar", "-tzf", join(release, `${name}.tar.gz`)]).stdout.toString();
  const top = listed.split("\n").map((path) => path.split("/")[1] ?? "");
  const documents = ["CHANGELOG.md", "LICENSE", "README.md", "policy-examples", "skills"];
  expect([...new Set(top)].filter(Boolean).sort()).toEqual(
    [...documents, "operon", "operond"].sort(),
  );
  expect(listed).toContain(`${name}/skills/operon-core/SKILL.md\n`);
});

test("a release lists what it is made of", () => {
  const bill = JSON.parse(readFileSync(join(release, "sbom.cdx.json"), "utf8"));
  const names = bill.components.map(({ name }: { name: string }) => name);
  for (const name of [...Object.keys(project.dependencies), "bun"])
    expect(names).toContain(name.split("/").at(-1));
  expect(bill.serialNumber).toBeUndefined();
});
