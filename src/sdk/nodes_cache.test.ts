import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../clock.ts";
import type { OperonError } from "../error.ts";
import { type Home, homeAt } from "../identity/home.ts";
import { createKey } from "../identity/keystore.ts";
import { openHomeNodes } from "./home_nodes.ts";
import { fingerprintOf, readNodesCache, writeNodesCache } from "./nodes_cache.ts";

let home: Home;

beforeEach(() => {
  home = homeAt(mkdtempSync(join(tmpdir(), "operon-nodes-")));
  createKey(home.key_path);
  configure("first");
});
afterEach(() => rmSync(home.path, { recursive: true, force: true }));

function configure(name: string): void {
  const text = `version: 1\nclient: { nodes: { ${name}: { endpoint: "ws://127.0.0.1:1" } } }\n`;
  writeFileSync(home.config_path, text, { mode: 0o600 });
}

const open = () =>
  openHomeNodes({
    home,
    configPath: home.config_path,
    clock: systemClock,
    identity: undefined,
    notice: () => {},
  });

const kept = () => readNodesCache(home, fingerprintOf(home.config_path) ?? "");

/** The code a call to a node ends with: `node.unknown` when no such node is configured. */
async function codeOf(node: string): Promise<string> {
  await using caller = await open();
  try {
    await caller.call(node, "node.info", {}).output;
    return "answered";
  } catch (error) {
    return (error as OperonError).code;
  }
}

describe("nodes of a home", () => {
  test("are kept after the configuration was read, and used", async () => {
    expect(kept()).toBeUndefined();
    expect(await codeOf("first")).toBe("wire.unreachable");
    expect(Object.keys(kept()?.nodes ?? {})).toEqual(["first"]);
    expect(await codeOf("first")).toBe("wire.unreachable");
  });

  test("are read again when the configuration changed", async () => {
    await codeOf("first");
    configure("second");
    expect(kept()).toBeUndefined();
    expect(await codeOf("second")).toBe("wire.unreachable");
    expect(await codeOf("first")).toBe("node.unknown");
  });

  test("are not believed when others could have written them", async () => {
    const fingerprint = fingerprintOf(home.config_path) ?? "";
    writeNodesCache(home, fingerprint, { own_name: "x", nodes: {} });
    chmodSync(home.nodes_cache_path, 0o666);
    expect(kept()).toBeUndefined();
    expect(await codeOf("first")).toBe("wire.unreachable");
  });

  test("are not believed from a damaged file", async () => {
    writeFileSync(home.nodes_cache_path, '{"fingerprint":', { mode: 0o600 });
    expect(await codeOf("first")).toBe("wire.unreachable");
  });

  test("of a configuration that others could have written are not used", async () => {
    await codeOf("first");
    chmodSync(home.config_path, 0o666);
    expect(fingerprintOf(home.config_path)).toBeUndefined();
    expect(open()).rejects.toMatchObject({ code: "identity.file_exposed" });
  });

  test("of a configuration that is not valid are not kept", async () => {
    writeFileSync(home.config_path, "version: 1\nclients: {}\n", { mode: 0o600 });
    expect(open()).rejects.toMatchObject({ code: "config.invalid" });
    await open().catch(() => {});
    expect(existsSync(home.nodes_cache_path)).toBeFalse();
  });
});
