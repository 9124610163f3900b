// Makes dist/sdk, the SDK as a package for Node.js and Bun, and packs it. Run by scripts/pack.mjs.
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import project from "../package.json" with { type: "json" };
import { builtin } from "../src/builtin.ts";
import { Registry } from "../src/contract/registry.ts";
import { bundleDeclarations } from "./declarations.ts";
import { peerTypes } from "./package_types.ts";

/** What the package's code imports; the rest of the executable's libraries is none of its business. */
const DEPENDENCIES = ["ws", "yaml", "zod"] as const;

const root = dirname(import.meta.dir);
const source = (path: string) => join(root, "src", path);
const manifest = new Registry(Object.values(builtin)).describe();
mkdirSync(join(root, "dist"), { recursive: true });
const folder = mkdtempSync(join(root, "dist", ".sdk-"));
try {
  await bundle(join(folder, "lib"));
  const types = new Map([[source("sdk/typed_peer.ts"), peerTypes(manifest)]]);
  writeFileSync(join(folder, "lib", "sdk.d.ts"), bundleDeclarations(source("sdk.ts"), types));
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(packageJson(), null, 2)}\n`);
  for (const name of ["LICENSE", "CHANGELOG.md"]) cpSync(join(root, name), join(folder, name));
  cpSync(join(root, "scripts", "sdk_readme.md"), join(folder, "README.md"));
  console.log(join("dist", pack()));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** The code, without what would make a node of a process: that takes the executable. */
async function bundle(outdir: string): Promise<void> {
  await Bun.build({
    entrypoints: [source("sdk.ts")],
    outdir,
    target: "node",
    format: "esm",
    splitting: true,
    naming: { chunk: "chunk-[hash].[ext]" },
    external: [...DEPENDENCIES],
    define: { OPERON_PACKAGE: "true" },
    plugins: [
      {
        name: "manifest",
        setup(build) {
          build.onLoad({ filter: /\/src\/manifest\.ts$/ }, () => ({
            contents: `export const loadManifest = async () => JSON.parse(${JSON.stringify(calls())});`,
            loader: "ts",
          }));
        },
      },
    ],
  });
  for (const name of readdirSync(outdir)) {
    const foreign = /(?:from |import\()"(bun(?::\w+)?)"/.exec(
      readFileSync(join(outdir, name), "utf8"),
    );
    if (foreign) throw new Error(`${name} imports ${foreign[1]}, which Node.js does not have`);
  }
}

/** What making calls takes of the definitions: the types have the rest. */
function calls(): string {
  const needed = manifest.map((capability) => ({
    ...capability,
    operations: capability.operations.map(({ description, ...operation }) => ({
      ...operation,
      input: {},
      output: {},
      errors: {},
      examples: [],
    })),
  }));
  return JSON.stringify(needed);
}

/** Replaces dist/sdk by what was made; returns the packed file's name. */
function pack(): string {
  const place = join(root, "dist", "sdk");
  rmSync(place, { recursive: true, force: true });
  renameSync(folder, place);
  const command = ["npm", "pack", "--silent", "--pack-destination", ".."];
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd: place });
  if (exitCode !== 0) throw new Error(stderr.toString());
  return stdout.toString().trim();
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
