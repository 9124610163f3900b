// Small calls to node `b` over one warm session, signed by its own key; it dials itself, there is no daemon between.
import { openCaller } from "../../../src/caller.ts";
import { systemClock } from "../../../src/clock.ts";
import type { OngoingCall } from "../../../src/contract/caller.ts";
import { resolveHome } from "../../../src/identity/home.ts";
import { takeOrders, timeCalls } from "./orders.mjs";

const home = resolveHome(process.env);
const caller = await openCaller({
  home,
  configPath: home.config_path,
  clock: systemClock,
  identity: undefined,
  notice: (text) => console.error(text),
});
const stat = () => caller.call("b", "fs.stat", { path: "/small.txt" }).output;
let stalled: OngoingCall | undefined;
await stat();

await takeOrders(async (order: { calls: number; in_flight: number; stall?: boolean }) => {
  if (order.stall !== undefined) await setStalled(order.stall);
  return order.calls > 0 ? timeCalls(stat, order) : {};
});

/** A stream that is open and whose reader takes nothing, until it is cancelled. */
async function setStalled(isWanted: boolean): Promise<void> {
  if (isWanted === (stalled !== undefined)) return;
  if (stalled) {
    stalled.cancel();
    await stalled.output.catch(() => {});
    stalled = undefined;
    return;
  }
  stalled = caller.call("b", "fs.read", { path: "/large.bin" });
  // One chunk, so that the stream is known to be under way; then nothing more is taken.
  await stalled.chunks[Symbol.asyncIterator]().next();
}
