// Does real harm to real daemons and checks that they keep their promises: `npm run chaos -- --help`.
import { runBuilt } from "./run_built.mjs";

runBuilt("chaos");
