// Makes dist/sdk, the SDK as a package for Node.js and Bun, and packs it. Run by scripts/pack.mjs.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import project from "../package.json" with { type: "json" };
import { builtin } from "../src/builtin.ts";
import { Registry } from "../src/contract/registry.ts";
import { peerTypes } from "./package_types.ts";

/** What the package's code imports; the rest of the executable's libraries is none of its business. */
const DEPENDENCIES = ["msgpackr", "ws", "yaml", "zod"] as const;
const BUN_BUILTINS = ["bun", "bun:ffi", "bun:jsc", "bun:sqlite"];

const root = dirname(import.meta.dir);
const manifest = new Registry(Object.values(builtin)).describe();
mkdirSync(join(root, "dist"), { recursive: true });
const folder = mkdtempSync(join(root, "dist", ".sdk-"));
try {
  await bundle(join(folder, "lib"));
  await declare(join(folder, "lib"));
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(packageJson(), null, 2)}\n`);
  for (const name of ["LICENSE", "CHANGELOG.md"]) cpSync(join(root, name), join(folder, name));
  cpSync(join(root, "scripts", "sdk_readme.md"), join(folder, "README.md"));
  const place = join(root, "dist", "sdk");
  rmSync(place, { recursive: true, force: true });
  renameSync(folder, place);
  const packed = Bun.spawnSync(["npm", "pack", "--silent", "--pack-destination", ".."], {
    cwd: place,
  });
  if (packed.exitCode !== 0) throw new Error(packed.stderr.toString());
  console.log(join("dist", packed.stdout.toString().trim()));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function bundle(outdir: string): Promise<void> {
  await Bun.build({
    entrypoints: [join(root, "src", "sdk.ts")],
    outdir,
    target: "node",
    format: "esm",
    splitting: true,
    naming: { chunk: "chunk-[hash].[ext]" },
    external: [...DEPENDENCIES, ...BUN_BUILTINS],
    define: {
      "process.env.MSGPACKR_NATIVE_ACCELERATION_DISABLED": '"true"',
      OPERON_MANIFEST: JSON.stringify(JSON.stringify(manifest)),
    },
  });
}

/** Declarations of sdk.ts and all it mentions, with the nodes' types written out. */
async function declare(outdir: string): Promise<void> {
  const emitted = mkdtempSync(join(root, "dist", ".types-"));
  try {
    const config = join(emitted, "tsconfig.json");
    const compilerOptions = {
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      allowImportingTsExtensions: true,
      stripInternal: true,
      outDir: join(emitted, "out"),
      rootDir: root,
    };
    const extending = {
      extends: join(root, "tsconfig.json"),
      compilerOptions,
      include: [],
      files: [join(root, "src/sdk.ts")],
    };
    writeFileSync(config, JSON.stringify(extending));
    const tsc = Bun.spawnSync([join(root, "node_modules/.bin/tsc"), "-p", config], { cwd: root });
    if (tsc.exitCode !== 0) throw new Error(tsc.stdout.toString());
    const from = join(emitted, "out", "src");
    writeFileSync(join(from, "sdk_types.d.ts"), peerTypes(manifest));
    copyDeclarations(join(from, "sdk.d.ts"), { from, to: outdir, done: new Set() });
  } finally {
    rmSync(emitted, { recursive: true, force: true });
  }
}

interface Copying {
  readonly from: string;
  readonly to: string;
  readonly done: Set<string>;
}

function copyDeclarations(path: string, copying: Copying): void {
  if (copying.done.has(path)) return;
  copying.done.add(path);
  if (!existsSync(path)) throw new Error(`${path} is mentioned, and was not made`);
  const text = readFileSync(path, "utf8");
  const target = join(copying.to, relative(copying.from, path));
  mkdirSync(dirname(target), { recursive: true });
  // Comments of the sources speak of files that are not in the package.
  const published = text
    .replaceAll(/(from |import\()"(\.[^"]*)\.ts"/g, '$1"$2.js"')
    .replace(/^(?:\/\/.*\n)+/, "");
  writeFileSync(target, published);
  for (const [, mentioned] of published.matchAll(/(?:from |import\()"(\.[^"]*)\.js"/g))
    copyDeclarations(join(dirname(path), `${mentioned}.d.ts`), copying);
}

function packageJson() {
  const { name, version, description, license, engines, dependencies } = project;
  return {
    name,
    version,
    description: `${description}: the SDK`,
    license,
    type: "module",
    engines,
    exports: { ".": { types: "./lib/sdk.d.ts", default: "./lib/sdk.js" } },
    types: "./lib/sdk.d.ts",
    files: ["lib", "CHANGELOG.md"],
    dependencies: Object.fromEntries(DEPENDENCIES.map((each) => [each, dependencies[each]])),
  };
}
