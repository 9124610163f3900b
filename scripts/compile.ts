// Compiles src/main.ts into the one executable named on its command line; scripts/build.mjs decides when and where.
// It goes through Bun's API and not its command line: the operations as JSON would soon be longer than one argument may be.
import { builtin } from "../src/builtin.ts";
import { Registry } from "../src/contract/registry.ts";

const [entry, outfile, target, executablePath] = process.argv.slice(2);
if (!entry || !outfile) throw new Error("Usage: bun scripts/compile.ts ENTRY OUTFILE [TARGET BUN]");

const described = new Registry(Object.values(builtin)).describe();
const manifest = Object.fromEntries(described.map((one) => [one.id, JSON.stringify(one)]));

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
  define: {
    // The native addon's path on the build machine would be baked in otherwise; the JavaScript path is as fast.
    "process.env.MSGPACKR_NATIVE_ACCELERATION_DISABLED": '"true"',
    // Read by src/manifest.ts: a command line needs no schema library to know its words.
    OPERON_MANIFEST: JSON.stringify(manifest),
  },
});
