// Packs the SDK for Node.js and Bun: dist/sdk and dist/operon-VERSION.tgz, whose path it prints.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { root, setup } from "./setup.mjs";

execFileSync(setup(), [join(root, "scripts", "pack.ts")], { cwd: root, stdio: "inherit" });
