// A peer's server in a process of its own; it prints its port as one JSON line.

import { join } from "node:path";
import type { DriverOptions } from "./driver.ts";
import { environment } from "./mesh.ts";
import type { Site } from "./site.ts";

/** Starts a server and gives its port. @throws Error when it ends before it listens */
export async function startServer(site: Site, options: DriverOptions): Promise<number> {
  const path = join(import.meta.dir, "driver", options.file);
  const child = site.track(
    Bun.spawn([options.runtime ?? process.execPath, path, ...options.args], {
      env: environment("/nonexistent"),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    }),
  );
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of child.stdout) {
    text += decoder.decode(bytes, { stream: true });
    if (text.includes("\n")) return JSON.parse(text).port;
  }
  throw new Error(`${options.file} ended before it listened`);
}
