// Sends so many bytes over a sealed channel as quickly as it takes them.
import type { RecordChannel } from "../../../src/wire/channel.ts";

const RECORD_BYTES = 256 * 1024;
const HIGH_WATER_BYTES = 4 * 1024 * 1024;

/** Resolves when everything was handed to the channel; `onDrain` is given what to call when it has room again. */
export async function sendBytes(
  channel: RecordChannel,
  bytes: number,
  onDrain: (wake: () => void) => void,
): Promise<void> {
  const record = new Uint8Array(RECORD_BYTES).fill(7);
  for (let sent = 0; sent < bytes; sent += RECORD_BYTES) {
    channel.send([record]);
    if (channel.bufferedBytes > HIGH_WATER_BYTES) await new Promise<void>(onDrain);
    else if (sent % (4 * RECORD_BYTES) === 0)
      await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
