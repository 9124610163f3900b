// Makes a clone ready: packages from the lock file, and the pinned Bun's binary. Plain Node 20+, no dependencies.
// It downloads from the npm registry alone, and does nothing when nothing changed.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const bun = join(root, "node_modules", "bun", "bin", "bun.exe");

// Install scripts stay off: npm's own switch differs between versions, and only Bun's is needed, which setup() runs itself.
// Bun and the platform's packages are wanted also where NODE_ENV or npm's configuration leaves such out.
const CLEAN_INSTALL = ["ci", "--ignore-scripts", "--include=dev", "--include=optional"];

/** Installs what is missing; returns the path of Bun. */
export function setup() {
  // Named for what was installed: installing anew removes it with everything else.
  const stampPath = join(root, "node_modules", `.operon-setup-${stampOfPackages()}`);
  if (existsSync(stampPath) && existsSync(bun)) return bun;
  console.log("Installing packages ...");
  execFileSync(npmCommand(), CLEAN_INSTALL, {
    cwd: root,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (!runs())
    execFileSync(process.execPath, [join(root, "node_modules", "bun", "install.js")], {
      cwd: join(root, "node_modules", "bun"),
      stdio: "inherit",
    });
  if (!runs())
    throw new Error(
      "The pinned Bun does not run on this machine; see node_modules/@oven for the platform packages",
    );
  mkdirSync(dirname(stampPath), { recursive: true });
  writeFileSync(stampPath, "");
  return bun;
}

/** Changes when other packages are wanted, not when a script in package.json does. */
function stampOfPackages() {
  const { dependencies, devDependencies, overrides } = manifest();
  return createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .update(JSON.stringify({ dependencies, devDependencies, overrides }))
    .digest("hex");
}

function runs() {
  if (!existsSync(bun)) return false;
  const result = spawnSync(bun, ["--version"], { encoding: "utf8" });
  return result.status === 0 && result.stdout.trim() === manifest().devDependencies.bun;
}

function manifest() {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
}

function npmCommand() {
  return process.platform === "win32" ? "npm.cmd" : "npm";
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) setup();
