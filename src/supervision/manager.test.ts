// Managers that refuse, and services that are not there.
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { install, managerFor, type RunProgram, runAll } from "./manager.ts";

const folder = mkdtempSync(join(tmpdir(), "operon-manager-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const main = join(dirname(dirname(import.meta.dir)), "src/main.ts");
const NO_BUS = "Failed to connect to bus: No medium found";

function systemd(scope: "system" | "user", name = "operon") {
  const definition = { name, command: ["/operon"], home: "/h", user_home: folder, scope };
  return managerFor(definition, { platform: "linux", uid: 1234, configHome: folder });
}

const saying =
  (stderr: string): RunProgram =>
  async () => ({ code: 1, stdout: "", stderr });

describe("install()", () => {
  test("says how a user without a manager of services gets one, and leaves nothing behind", async () => {
    const manager = systemd("user");
    const refused = await install(manager, saying(NO_BUS)).catch((error) => error);
    expect(refused).toMatchObject({ code: "supervision.failed" });
    expect(refused.message).toContain(NO_BUS);
    expect(refused.hint).toContain(`loginctl enable-linger ${userInfo().username}`);
    expect(refused.hint).toContain("XDG_RUNTIME_DIR=/run/user/1234");
    expect(existsSync(manager.written.path)).toBeFalse();
  });
});

describe("runAll()", () => {
  const hintOf = (scope: "system" | "user", said: string, name?: string) => {
    const manager = systemd(scope, name);
    return runAll([["x"]], { manager, run: saying(said) }).catch(({ hint }) => hint);
  };

  test("tells a machine that systemd does not run from a user it does not serve", async () => {
    expect(await hintOf("system", "Failed to connect to bus: Host is down")).toContain(
      "operon daemon start",
    );
  });

  test("sends to the log of that service when its node failed", async () => {
    const said = "Job for x.service failed";
    expect(await hintOf("user", said)).toContain("operon daemon service logs shows");
    expect(await hintOf("user", said, "b")).toContain("operon daemon service logs --name b shows");
  });
});

// Windows has a scheduled task instead, with words of its own; on Linux, where CI is, all of it runs.
describe.skipIf(process.platform === "win32")("daemon service", () => {
  test.each(["start", "stop", "restart", "logs", "uninstall"])(
    "%s of what is not installed says how it would be",
    async (verb) => {
      const words = ["daemon", "service", verb, "--name", "operon-test-nowhere", "--json"];
      const child = Bun.spawn([process.execPath, main, ...words], {
        env: { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder },
        stdio: ["ignore", "pipe", "pipe"],
      });
      const [code, stderr] = await Promise.all([child.exited, new Response(child.stderr).text()]);
      expect(code).toBe(3);
      expect(JSON.parse(stderr).error).toMatchObject({
        code: "supervision.not_installed",
        hint: "Install it with: operon daemon service install --name operon-test-nowhere",
      });
    },
  );
});
