// A measured client in a process of its own: one JSON line in (what to do), one out (how long it took).
// Clients stay connected between samples, so that they can take turns while warm.
// Next: driver/*.ts are the clients.

import { join } from "node:path";
import { environment } from "./mesh.ts";
import type { Site } from "./site.ts";

/** A client that takes orders. */
export interface Driver {
  order(command: Readonly<Record<string, unknown>>): Promise<Record<string, number>>;
}

/** What to run: a file in `driver/`, its arguments, the runtime. */
export interface DriverOptions {
  readonly file: string;
  readonly args: readonly string[];
  /** Default: this very Bun. */
  readonly runtime?: string;
  readonly home?: string;
}

/** Starts a client and waits until it is ready. @throws Error with what it said when it ends early */
export async function startDriver(site: Site, options: DriverOptions): Promise<Driver> {
  const child = site.track(
    Bun.spawn(
      [
        options.runtime ?? process.execPath,
        join(import.meta.dir, "driver", options.file),
        ...options.args,
      ],
      {
        env: environment(options.home ?? "/nonexistent"),
        stdin: "pipe",
        stdout: "pipe",
        stderr: "inherit",
      },
    ),
  );
  const answers = jsonLines(child.stdout);
  const next = async () => {
    const { value, done } = await answers.next();
    if (done) throw new Error(`${options.file} ended`);
    return value;
  };
  await next();
  return {
    async order(command) {
      child.stdin.write(`${JSON.stringify(command)}\n`);
      child.stdin.flush();
      return next();
    },
  };
}

async function* jsonLines(
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<Record<string, number>, undefined> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of stream) {
    text += decoder.decode(bytes, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line);
  }
  return undefined;
}
