// Makes a clone ready: packages from the lock file, and the pinned Bun's binary. Plain Node 20+, no dependencies.
// It downloads from the npm registry alone, and does nothing when nothing changed.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const bun = join(root, "node_modules", "bun", "bin", "bun.exe");

/** Installs what is missing; returns the path of Bun. */
export function setup() {
  const stampPath = join(root, "node_modules", ".operon-setup");
  const stamp = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .update(readFileSync(join(root, "package.json")))
    .digest("hex");
  const isReady =
    existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp && existsSync(bun);
  if (isReady) return bun;
  console.log("Installing packages ...");
  // Install scripts stay off: npm's own switch differs between versions, and only Bun's is needed, which is run below.
  execFileSync(npmCommand(), ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
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
  writeFileSync(stampPath, stamp);
  return bun;
}

function runs() {
  if (!existsSync(bun)) return false;
  const wanted = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).devDependencies.bun;
  const result = spawnSync(bun, ["--version"], { encoding: "utf8" });
  return result.status === 0 && result.stdout.trim() === wanted;
}

function npmCommand() {
  return process.platform === "win32" ? "npm.cmd" : "npm";
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) setup();
