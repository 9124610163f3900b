// Builds dist/operon, one self-contained executable, and the link dist/operond. Skips when no source changed; --force builds anyway.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root, setup } from "./setup.mjs";

export const executable = join(
  root,
  "dist",
  process.platform === "win32" ? "operon.exe" : "operon",
);

/** Builds when needed; returns the executable's path. */
export function build({ force = false } = {}) {
  const bun = setup();
  const key = sourceKey();
  const keyPath = join(root, "dist", ".build-key");
  if (
    !force &&
    existsSync(executable) &&
    existsSync(keyPath) &&
    readFileSync(keyPath, "utf8") === key
  )
    return executable;
  console.log("Building dist/operon ...");
  mkdirSync(join(root, "dist"), { recursive: true });
  const manifest = execFileSync(bun, [join(root, "scripts", "manifest.ts")], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  execFileSync(
    bun,
    [
      "build",
      "--compile",
      "--minify",
      "--bytecode",
      "--format=esm",
      "--splitting",
      "--sourcemap=linked",
      // Without these the executable would run code named by files in the current folder.
      "--no-compile-autoload-dotenv",
      "--no-compile-autoload-bunfig",
      "--compile-autoload-package-json",
      // The native addon's path on the build machine would be baked in otherwise; the JavaScript path is as fast.
      "--define",
      `process.env.MSGPACKR_NATIVE_ACCELERATION_DISABLED="true"`,
      "--define",
      `OPERON_MANIFEST=${JSON.stringify(manifest.trim())}`,
      join(root, "src", "main.ts"),
      "--outfile",
      executable,
    ],
    { cwd: root, stdio: ["ignore", "ignore", "inherit"] },
  );
  linkDaemonName();
  writeFileSync(keyPath, key);
  return executable;
}

function linkDaemonName() {
  if (process.platform === "win32") return;
  const link = join(root, "dist", "operond");
  rmSync(link, { force: true });
  symlinkSync("operon", link);
}

function sourceKey() {
  const hash = createHash("sha256");
  const files = [
    "package.json",
    "package-lock.json",
    "scripts/build.mjs",
    "scripts/manifest.ts",
    ...walk("src"),
  ].sort();
  for (const file of files)
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(join(root, file)))
      .update("\0");
  return hash.digest("hex");
}

function walk(folder) {
  return readdirSync(join(root, folder)).flatMap((name) => {
    const path = `${folder}/${name}`;
    if (statSync(join(root, path)).isDirectory()) return walk(path);
    return name.endsWith(".ts") && !name.endsWith(".test.ts") ? [path] : [];
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  build({ force: process.argv.includes("--force") });
