// Makes a release in dist/release: an archive for each platform, SHA256SUMS and an SBOM; the same sources give the same bytes.
//   npm run release                       all platforms; downloads Bun for each from the npm registry
//   npm run release -- --only linux-x64   some of them
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { billOfMaterials } from "./bill_of_materials.mjs";
import { root, setup } from "./setup.mjs";

/** Names of the archives, and of Bun's packages for them. */
const TARGETS = {
  "linux-x64": { bun: "bun-linux-x64", package: "bun-linux-x64" },
  "linux-arm64": { bun: "bun-linux-arm64", package: "bun-linux-aarch64" },
  "linux-x64-musl": { bun: "bun-linux-x64-musl", package: "bun-linux-x64-musl" },
  "linux-arm64-musl": { bun: "bun-linux-arm64-musl", package: "bun-linux-aarch64-musl" },
  "darwin-x64": { bun: "bun-darwin-x64", package: "bun-darwin-x64" },
  "darwin-arm64": { bun: "bun-darwin-arm64", package: "bun-darwin-aarch64" },
  "windows-x64": { bun: "bun-windows-x64", package: "bun-windows-x64" },
};

const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const only = process.argv.includes("--only")
  ? (process.argv[process.argv.indexOf("--only") + 1] ?? "").split(",")
  : Object.keys(TARGETS);
const unknown = only.filter((name) => !(name in TARGETS));
if (unknown.length > 0) {
  console.error(`Unknown: ${unknown.join(", ")}. Known: ${Object.keys(TARGETS).join(", ")}`);
  process.exit(2);
}

const bun = setup();
const place = join(root, "dist", "release");
mkdirSync(join(root, "dist"), { recursive: true });
const work = mkdtempSync(join(root, "dist", ".release-"));
process.on("exit", () => rmSync(work, { recursive: true, force: true }));
process.on("SIGINT", () => process.exit(130));

const out = join(work, "out");
mkdirSync(out);
const archives = only.map((name) => makeArchive(name));
writeFileSync(join(out, "sbom.cdx.json"), billOfMaterials(root));
const sums = [...archives, "sbom.cdx.json"]
  .sort()
  .map((name) => `${sha256(join(out, name))}  ${name}\n`);
writeFileSync(join(out, "SHA256SUMS"), sums.join(""));
for (const name of only) smoke(name);
rmSync(place, { recursive: true, force: true });
renameSync(out, place);
process.stdout.write(sums.join(""));

function makeArchive(target) {
  console.log(`Building for ${target} ...`);
  const name = `operon-${version}-${target}`;
  const folder = join(work, name);
  mkdirSync(folder);
  const program = target.startsWith("windows") ? "operon.exe" : "operon";
  const { bun: compileTarget, package: packageName } = TARGETS[target];
  const words = [
    join(root, "src/main.ts"),
    join(folder, program),
    compileTarget,
    runtime(packageName),
  ];
  // A fixed folder of work: paths of it must not reach the executable.
  execFileSync(bun, [join(root, "scripts/compile.ts"), ...words], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  // The executable has them inside.
  for (const file of readdirSync(folder).filter((file) => file.endsWith(".map")))
    rmSync(join(folder, file));
  if (program === "operon") symlinkSync("operon", join(folder, "operond"));
  for (const file of ["LICENSE", "README.md", "CHANGELOG.md"])
    copyFileSync(join(root, file), join(folder, file));
  for (const part of ["policy-examples", "skills"])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  const archive = `${name}.tar.gz`;
  const tar = execFileSync(
    "tar",
    [
      ...["--sort=name", `--mtime=@${sourceTime()}`, "--owner=0", "--group=0", "--numeric-owner"],
      ...["--mode=u+rwX,go+rX,go-w", "--format=ustar", "-C", work, "-cf", "-", name],
    ],
    { maxBuffer: 1024 ** 3 },
  );
  const packed = execFileSync("gzip", ["-9", "-n"], { input: tar, maxBuffer: 1024 ** 3 });
  writeFileSync(join(out, archive), packed);
  return archive;
}

/** Path of the pinned Bun for a platform, checked against the lock file. */
function runtime(name) {
  const path = `bin/bun${name.includes("windows") ? ".exe" : ""}`;
  const installed = join(root, "node_modules/@oven", name, path);
  if (existsSync(installed)) return installed;
  const entry = lock.packages[`node_modules/@oven/${name}`];
  if (!entry) throw new Error(`package-lock.json has no @oven/${name}`);
  const cache = join(
    process.env.XDG_CACHE_HOME ?? tmpdir(),
    "operon-release",
    `${name}-${entry.version}`,
  );
  if (!existsSync(join(cache, "package", path))) {
    const fresh = mkdtempSync(join(work, "runtime-"));
    const spec = `@oven/${name}@${entry.version}`;
    execFileSync("npm", ["pack", "--silent", "--pack-destination", fresh, spec], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const file = join(fresh, `oven-${name}-${entry.version}.tgz`);
    const found = `sha512-${createHash("sha512").update(readFileSync(file)).digest("base64")}`;
    if (found !== entry.integrity) throw new Error(`${spec} is not what package-lock.json says`);
    execFileSync("tar", ["-xzf", file, "-C", fresh]);
    rmSync(file);
    mkdirSync(join(cache, ".."), { recursive: true });
    rmSync(cache, { recursive: true, force: true });
    execFileSync("cp", ["-r", fresh, cache]);
  }
  return join(cache, "package", path);
}

/** Unpacks an archive this machine can run and has it do something. */
function smoke(target) {
  const emulator = emulatorFor(target);
  if (emulator === undefined) return console.log(`${target}: not run, this machine cannot`);
  const folder = mkdtempSync(join(work, "smoke-"));
  execFileSync("tar", ["-xzf", join(out, `operon-${version}-${target}.tar.gz`), "-C", folder]);
  const program = join(folder, `operon-${version}-${target}`, "operon");
  const run = (...words) =>
    execFileSync(
      emulator[0] ?? program,
      emulator[0] ? [...emulator.slice(1), program, ...words] : words,
      {
        env: { PATH: process.env.PATH, HOME: folder, OPERON_HOME: join(folder, "home") },
        encoding: "utf8",
      },
    ).trim();
  const said = run("--version");
  if (!said.includes(version)) throw new Error(`${target}: --version says ${said}`);
  run(
    "onboard",
    "--yes",
    "--output-dir",
    join(folder, "home"),
    "--workspace",
    join(folder, "workspace"),
  );
  run("fs", "write", "local:/a", "--content", "smoke");
  if (run("fs", "read", "local:/a") !== "smoke")
    throw new Error(`${target}: the file is not there`);
  if (run("exec", "run", "local", "--", "echo ran") !== "ran")
    throw new Error(`${target}: runs no commands`);
  if (!run("audit", "verify", "--json").includes('"ok":true'))
    throw new Error(`${target}: the log`);
  console.log(`${target}: runs`);
}

/** What runs a target's programs here: nothing needed, qemu-user with a C library, or nothing at all. */
function emulatorFor(target) {
  const own = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  if (target === own) return [];
  const qemu = "/usr/bin/qemu-aarch64-static";
  const library = "/usr/aarch64-linux-gnu";
  if (target === "linux-arm64" && existsSync(qemu) && existsSync(`${library}/lib/libc.so.6`))
    return [qemu, "-L", library];
  return undefined;
}

/** When the sources were last changed (Unix s), so that a rebuild has the same times. */
function sourceTime() {
  if (process.env.SOURCE_DATE_EPOCH) return process.env.SOURCE_DATE_EPOCH;
  try {
    return execFileSync("git", ["log", "-1", "--format=%ct"], {
      cwd: root,
      encoding: "utf8",
    }).trim();
  } catch {
    return "0";
  }
}

function sha256(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
