// Measures the executable against its peers on this machine: `npm run bench -- --only start,exec --rounds 5 --json`.
// It installs nothing and asserts nothing; scripts/bench/ has the rows.
import { runBuilt } from "./run_built.mjs";

runBuilt("bench");
