// Uses everything of real daemons at once for a while and checks that nothing grows or stays: `npm run soak -- --minutes 10`.
import { runBuilt } from "./run_built.mjs";

runBuilt("soak");
