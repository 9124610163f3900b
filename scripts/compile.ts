// Compiles src/main.ts into the one executable named on its command line; scripts/build.mjs decides when and where.
// It goes through Bun's API and not its command line: the operations as JSON would soon be longer than one argument may be.
import type { BunPlugin } from "bun";
import { builtin } from "../src/builtin.ts";
import { Registry } from "../src/contract/registry.ts";

const [entry, outfile, target, executablePath] = process.argv.slice(2);
if (!entry || !outfile) throw new Error("Usage: bun scripts/compile.ts ENTRY OUTFILE [TARGET BUN]");

const described = new Registry(Object.values(builtin)).describe();
await Bun.build({
  entrypoints: [entry],
  compile: {
    outfile,
    ...(target && executablePath
      ? { target: target as Bun.Build.CompileTarget, executablePath }
      : {}),
    // Without these the executable would run code named by files in the current folder.
    autoloadDotenv: false,
    autoloadBunfig: false,
    // Plugins outside the executable are resolved with it.
    autoloadPackageJson: true,
  },
  format: "esm",
  minify: true,
  bytecode: true,
  // Start-up is quick because what a command does not need stays in chunks of its own.
  splitting: true,
  // Also embedded: stack traces name source lines without the files beside the executable.
  sourcemap: "linked",
  plugins: [manifestModules()],
  define: {
    // The native addon's path on the build machine would be baked in otherwise; the JavaScript path is as fast.
    "process.env.MSGPACKR_NATIVE_ACCELERATION_DISABLED": '"true"',
  },
});

/**
 * Takes the place of src/manifest.ts: the description of each capability as text in a chunk of its own. All of them are
 * far larger than the code that most commands need, and each page that is read counts at a start.
 */
function manifestModules(): BunPlugin {
  const texts = new Map(described.map((one) => [one.id, JSON.stringify(one)]));
  const loaders = [...texts.keys()].map((id) => `${id}: () => import("manifest:${id}")`);
  const contents = `const loaders = { ${loaders.join(", ")} };
export function loadManifest(only) {
  const isOne = only !== undefined && Object.hasOwn(loaders, only);
  const ids = isOne ? [only] : Object.keys(loaders);
  return Promise.all(ids.map(async (id) => JSON.parse((await loaders[id]()).default)));
}`;
  return {
    name: "manifest",
    setup(build) {
      build.onLoad({ filter: /[\\/]src[\\/]manifest\.ts$/ }, () => ({ contents, loader: "js" }));
      build.onResolve({ filter: /^manifest:/ }, ({ path }) => ({
        path,
        namespace: "manifest",
      }));
      build.onLoad({ filter: /./, namespace: "manifest" }, ({ path }) => ({
        contents: `export default ${JSON.stringify(texts.get(path.slice("manifest:".length)))};`,
        loader: "js",
      }));
    },
  };
}
