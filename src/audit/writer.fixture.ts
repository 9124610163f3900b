// A process that writes to a shared log: bun writer.fixture.ts DIRECTORY NAME COUNT.
// Each acknowledged entry is printed as `sequence hash` before the next one is written; refusals as `refused CODE`.

import { systemClock } from "../clock.ts";
import { OperonError } from "../error.ts";
import { KEY, record } from "./log.fixture.ts";
import { AuditLog } from "./log.ts";

const [directory = "", name = "", count = "0"] = process.argv.slice(2);
const log = await AuditLog.open(directory, { key: KEY, clock: systemClock });
let next = 0;
await Promise.all(Array.from({ length: 4 }, () => work()));
await log.close().catch(() => {});

async function work(): Promise<void> {
  while (next < Number(count)) {
    const receipt = await log.append(record(`${name}/${next++}`)).catch((thrown) => thrown);
    const text =
      receipt instanceof OperonError
        ? `refused ${receipt.code}`
        : `${receipt.sequence} ${receipt.hash}`;
    await Bun.write(Bun.stdout, `${text}\n`);
  }
}
