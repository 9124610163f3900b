import { describe, expect, test } from "bun:test";
import type { ServiceDefinition } from "./definition.ts";
import { launchdPlist } from "./launchd.ts";
import { managerFor } from "./manager.ts";
import { systemdUnit } from "./systemd.ts";
import { scheduledTask } from "./task_scheduler.ts";

const definition: ServiceDefinition = {
  name: "operon",
  command: ["/usr/local/bin/operon", "--home", "/home/a/.operon", "daemon", "start"],
  home: "/home/a/.operon",
  user_home: "/home/a",
  scope: "user",
};
const odd = { ...definition, command: ["/opt/my tools/operon", "--home", '/srv/<100%>&"$x"\\'] };

describe("systemdUnit()", () => {
  test("puts a user's unit where the user's manager looks", () => {
    expect(systemdUnit(definition).path).toBe("/home/a/.config/systemd/user/operon.service");
    expect(systemdUnit(definition, "/x").path).toBe("/x/systemd/user/operon.service");
  });

  test("quotes words so that systemd reads them back", () => {
    expect(systemdUnit(odd).text).toContain(
      'ExecStart="/opt/my tools/operon" --home "/srv/<100%%>&\\"$$x\\"\\\\"\n',
    );
  });

  test("is told when the node is ready, hangs or reloads", () => {
    const { text } = systemdUnit({ ...definition, scope: "system" });
    for (const line of [
      "Type=notify",
      "WatchdogSec=30",
      'ExecReload=/bin/sh -c "kill -USR2 $MAINPID"',
    ])
      expect(text.split("\n")).toContain(line);
    expect(text).toContain("WantedBy=multi-user.target");
  });

  test("asks nothing of a user's manager that only root may", () => {
    expect(systemdUnit(definition).text).not.toContain("Protect");
    expect(systemdUnit({ ...definition, scope: "system" }).text).toContain("ProtectSystem=full");
  });
});

describe("launchdPlist()", () => {
  test("escapes what could end an element", () => {
    const { text, path } = launchdPlist(odd);
    expect(path).toBe("/home/a/Library/LaunchAgents/dev.operon.operon.plist");
    expect(text).toContain("<string>/srv/&#60;100%&#62;&#38;&#34;$x&#34;\\</string>");
  });
});

describe("scheduledTask()", () => {
  test("quotes words as Windows splits them, and escapes them", () => {
    const { text } = scheduledTask({ ...definition, command: ["op.exe", "C:\\a b\\", 'x"y'] });
    expect(text).toContain("<Command>op.exe</Command>");
    expect(text).toContain(
      "<Arguments>&#34;C:\\a b\\\\&#34; &#34;x\\&#34;y&#34;</Arguments>".replace("\\\\&", "\\\\&"),
    );
  });
});

describe("managerFor()", () => {
  test("reads what systemd says", () => {
    const manager = managerFor(definition, { platform: "linux", uid: 1000 });
    const running = "ActiveState=active\nSubState=running\nMainPID=42\n";
    expect(manager.readStatus(0, running)).toEqual({
      is_running: true,
      state: "active (running)",
      pid: 42,
    });
    expect(manager.readStatus(0, "ActiveState=failed\nSubState=failed\nMainPID=0\n")).toEqual({
      is_running: false,
      state: "failed (failed)",
    });
  });

  test("reads what launchd and the task scheduler say", () => {
    const launchd = managerFor(definition, { platform: "darwin", uid: 501 });
    expect(launchd.status).toEqual(["launchctl", "print", "gui/501/dev.operon.operon"]);
    expect(launchd.readStatus(0, "\tstate = running\n\tpid = 7\n")).toMatchObject({ pid: 7 });
    expect(launchd.readStatus(113, "")).toEqual({ is_running: false, state: "not loaded" });
    const windows = managerFor(definition, { platform: "win32", uid: -1 });
    expect(windows.readStatus(0, "Status:   Running\r\n").is_running).toBe(true);
  });

  test("refuses a platform it does not know", () => {
    expect(() => managerFor(definition, { platform: "aix", uid: 0 })).toThrow("aix");
  });
});
