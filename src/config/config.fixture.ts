// For tests: a temporary folder with a configuration in it, and what loading one needs.
// It must never be imported by anything but tests.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { OperonError } from "../error.ts";
import { type LoadedConfig, loadConfig, parseConfig } from "./load.ts";

/** A key no one has the private half of. */
export const SOME_KEY = "ed25519:epl7k4iizerbdkgiqexeqpnjnhzzi7bb3nyqr3vrwwcu7v4ib52q";

/** Settings of one made-up capability. */
export const settings = {
  tool: z.strictObject({
    roots: z.array(z.string()).default([]),
    env: z.strictObject({ allow: z.array(z.string()).default([]) }).default({ allow: [] }),
  }),
};

/** The smallest configuration that serves. */
export const MINIMAL = `version: 1
daemon: { node_id: here, listen: "127.0.0.1:7789" }
policy:
  mounts:
    - { name: workspace, at: /, path: ./files }
  roles:
    observer: []
`;

/** A private temporary folder with `config.yaml`; dispose it to remove everything. */
export class ConfigBench implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "operon-config-"));
  readonly file = join(this.folder, "config.yaml");

  constructor(text?: string) {
    if (text !== undefined) this.write(text);
  }

  write(text: string | Uint8Array, mode = 0o600): void {
    writeFileSync(this.file, text, { mode });
  }

  read(): string {
    return readFileSync(this.file, "utf8");
  }

  load(): Promise<LoadedConfig> {
    return loadConfig(this.file, { settings });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Parses a text as `config.yaml`. */
export function parse(text: string): Promise<LoadedConfig> {
  return parseConfig(text, { path: "/etc/operon/config.yaml", settings });
}

/** The error something ends in; fails the test when it does not. */
export async function failureOf(run: () => unknown): Promise<OperonError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof OperonError) return error;
    throw error;
  }
  throw new Error("Expected an OperonError, got none");
}
