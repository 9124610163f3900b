// The client's end of driver.ts, for Bun and Node alike: reads orders, answers each with numbers.
import { createInterface } from "node:readline";

/** Says that it is ready, then carries out orders one after the other. */
export async function takeOrders(carryOut) {
  // An orderly exit, so that a profiler can write down what it saw.
  process.on("SIGTERM", () => process.exit(0));
  answer({ ready: 1 });
  for await (const line of createInterface({ input: process.stdin }))
    answer(await carryOut(JSON.parse(line)));
  process.exit(0);
}

/** Makes calls, so many at once; the rate, and the median time of one (µs). */
export async function timeCalls(call, { calls, in_flight }) {
  const times = new Float64Array(calls);
  let next = 0;
  const worker = async () => {
    while (next < calls) {
      const index = next++;
      const start = performance.now();
      await call();
      times[index] = performance.now() - start;
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: in_flight }, worker));
  const elapsed_ms = performance.now() - start;
  const p50_us = times.sort()[Math.floor(calls / 2)] * 1000;
  return { rate: (calls / elapsed_ms) * 1000, p50_us, elapsed_ms };
}

function answer(numbers) {
  process.stdout.write(`${JSON.stringify(numbers)}\n`);
}
