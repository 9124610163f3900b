// Builds dist/operon, one self-contained executable, and the link dist/operond. Skips when no source changed; --force builds anyway.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
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
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root, setup } from "./setup.mjs";

const dist = join(root, "dist");
const name = process.platform === "win32" ? "operon.exe" : "operon";
export const executable = join(dist, name);

/** Builds when needed; returns the executable's path. */
export function build({ force = false } = {}) {
  const bun = setup();
  const key = sourceKey();
  if (!force && isBuilt(key)) return executable;
  console.log("Building dist/operon ...");
  mkdirSync(dist, { recursive: true });
  // Built aside and moved into place: an interrupted build leaves the old one whole, and a running one is not in the way.
  const folder = mkdtempSync(join(dist, ".build-"));
  try {
    const entry = join(root, "src", "main.ts");
    const outfile = join(folder, name);
    execFileSync(bun, [join(root, "scripts", "compile.ts"), entry, outfile], {
      cwd: root,
      stdio: ["ignore", "ignore", "inherit"],
    });
    renameSync(outfile, executable);
    if (process.platform !== "win32") {
      symlinkSync("operon", join(folder, "operond"));
      renameSync(join(folder, "operond"), join(dist, "operond"));
    }
    writeFileSync(keyPath(), key);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return executable;
}

function isBuilt(key) {
  return existsSync(executable) && existsSync(keyPath()) && readFileSync(keyPath(), "utf8") === key;
}

function keyPath() {
  return join(dist, ".build-key");
}

/** Changes when anything changes that the executable is made of. */
function sourceKey() {
  const hash = createHash("sha256");
  const files = ["package.json", "package-lock.json", "tsconfig.json", "scripts/compile.ts"];
  for (const file of [...files, ...sources("src")].sort())
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update("\0");
  return hash.digest("hex");
}

function sources(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return sources(path);
    const isTest = /\.(test|fixture)\.ts$/.test(entry.name);
    return isTest ? [] : [path];
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  build({ force: process.argv.includes("--force") });
