// A hostile process: as many calls as fit, over many sessions of one key, whose answers it does not read.
// It must never run in the process that measures how others fare.
// Next: hostile_peer.ts starts it.

import { KeyPair } from "../../src/identity/key.ts";
import { RawPeer } from "../../test/harness/raw_peer.ts";
import { pause } from "./world.ts";

const WAVES = 20;
const CALLS_PER_WAVE = 100;

const [endpoint = "", seed = "", path = "", sessions = "1"] = Bun.argv.slice(2);
const key = KeyPair.fromSeed(Uint8Array.fromHex(seed));
const peers = await Promise.all(
  Array.from({ length: Number(sessions) }, () => RawPeer.connect(endpoint, key)),
);
for (let wave = 0; wave < WAVES; wave++) {
  for (const peer of peers) {
    if (peer.socket.isClosed) continue;
    for (let index = 0; index < CALLS_PER_WAVE; index++)
      peer.send(peer.sign({ operation: "fs.read", input: { path } }));
  }
  await pause(10);
}
process.exit(0);
