// Commands on a node: run, as jobs, in terminals; with floods, input, cancels and callers that leave.
// It must never wait for a command without ending it.
// Next: activity.ts repeats these.

import type { OngoingCall } from "../../src/contract/caller.ts";
import { textStream } from "../../test/harness/mesh.ts";
import { must, pause } from "../chaos/world.ts";
import { type Activity, done, type Round } from "./activity.ts";
import type { Way } from "./site.ts";

const FLOOD_BYTES = 2_000_000;

/** Everything about commands. */
export const commandActivities: readonly Activity[] = [
  { name: "exec run", round: run },
  { name: "exec cancel", round: cancel, tolerated: ["node.cancelled"] },
  { name: "jobs", round: job },
  { name: "session", round: session, tolerated: ["node.cancelled"] },
];

async function run({ site, random, number }: Round): Promise<void> {
  const way = random.pick(site.ways);
  const outgoing = textStream("through ".repeat(1000));
  const echoed = await done(way, "exec.run", { argv: ["cat"] }, { outgoing });
  must(echoed.text === "through ".repeat(1000), "Input comes back whole");
  const code = number % 3;
  const flood = `head -c ${FLOOD_BYTES} /dev/zero; exit ${code}`;
  const { output, bytes } = await done(way, "exec.run", { command: flood });
  must(bytes.byteLength === FLOOD_BYTES, "A command's output is whole");
  must((output as { exit_code: number }).exit_code === code, "An exit code is the command's");
}

/** Children that ignore what is polite, and callers that go without a word. */
async function cancel({ site, random }: Round): Promise<void> {
  const way = random.pick(site.ways);
  const leaving = new AbortController();
  const command = "trap '' TERM HUP; setsid sleep 300 & sleep 300";
  const calls = Array.from({ length: 4 }, () =>
    done(way, "exec.run", { command }, { signal: leaving.signal }),
  );
  await pause(random.between(0, 200));
  leaving.abort();
  await Promise.all(calls);
}

async function job({ site, random, number }: Round): Promise<void> {
  const way = random.pick(site.ways);
  const command = `read name; seq 1 2000; echo "hello $name"; exit ${number % 3}`;
  const { output } = await done(way, "exec.start", { command });
  const { id } = output as { id: string };
  const logs = done(way, "exec.logs", { id, follow: true });
  const outgoing = textStream("there\n");
  await done(way, "exec.stdin", { id, close: true }, { outgoing });
  const { values } = await logs;
  const text = values.map((piece) => (piece as { text?: string }).text ?? "").join("");
  must(text.endsWith("hello there\n"), "A job's log is whole");
  const waited = (await done(way, "exec.wait", { id })).output as { exit_code: number };
  must(waited.exit_code === number % 3, "A job's exit code is its command's");
  const long = await done(way, "exec.start", { command: "sleep 300 & sleep 300" });
  await done(way, "exec.cancel", { id: (long.output as { id: string }).id });
}

/** A terminal with a flood in it that its caller leaves, takes up again, and hangs up. */
async function session({ site, random }: Round): Promise<void> {
  const way = random.pick(site.ways);
  const first = new Look(way, "exec.session", { command: "cat /proc/self/status; yes" });
  await first.read(random.between(10_000, 1_000_000));
  const { id } = first;
  await done(way, "exec.resize", { id, rows: random.between(2, 90), cols: 80 });
  await first.leave();
  const second = new Look(way, "exec.attach", { id, from: first.bytes });
  const watcher = new Look(way, "exec.attach", { id, read_only: true });
  await Promise.all([second.read(50_000), watcher.read(50_000)]);
  await watcher.leave();
  const hangup = done(way, "exec.hangup", { id });
  await second.rest();
  await hangup;
}

/** Somebody who looks at a terminal. */
class Look {
  id = "";
  bytes = 0;
  readonly #call: OngoingCall;
  readonly #chunks: AsyncIterator<unknown>;
  readonly #leaving = new AbortController();

  constructor({ caller, node }: Way, operation: string, input: object) {
    this.#call = caller.call(node, operation, input, { signal: this.#leaving.signal });
    this.#call.output.catch(() => {});
    this.#chunks = this.#read();
  }

  /** Takes at least so much. */
  async read(bytes: number): Promise<void> {
    const end = this.bytes + bytes;
    while (this.bytes < end && !(await this.#chunks.next()).done);
  }

  /** Takes all there is. */
  async rest(): Promise<void> {
    await this.read(Number.POSITIVE_INFINITY);
    await this.#call.output;
  }

  async leave(): Promise<void> {
    this.#leaving.abort();
    await this.#call.output.catch(() => {});
  }

  async *#read(): AsyncGenerator<undefined, undefined> {
    for await (const chunk of this.#call.chunks) {
      if (chunk.kind !== "bytes") continue;
      if (chunk.channel === 0) this.bytes += chunk.bytes.byteLength;
      else this.id = JSON.parse(new TextDecoder().decode(chunk.bytes)).session;
      yield undefined;
    }
    return undefined;
  }
}
