// The daemon as a service of a real systemd: a small Debian is made once, booted in a container of its own network, and a
// script in it does what a person would. What it printed is judged here.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

/** Kept between runs: making it takes a minute. Not in /tmp, which may be too small or forbid devices. */
const CACHE = "/var/tmp/operon-test";
const SYSTEM = join(CACHE, "debian-bookworm");
const executable = join(dirname(import.meta.dir), "dist/operon");
/** Containers need root and Debian's tools; where they must be, CI says so. */
const isPossible =
  process.env.CI === "true" || (process.getuid?.() === 0 && Bun.which("debootstrap") !== null);
let folder: string;
let steps: Map<string, string>;

const SCRIPT = `#!/bin/bash
exec > /test/output 2>&1
export HOME=/root OPERON_HOME=/root/.operon
step() { echo; echo "----- $1"; }
settle() { for i in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; }
step onboard; operon onboard --yes --role both --output-dir $OPERON_HOME --node-id inside --workspace /root/ws --listen 127.0.0.1:7789 >/dev/null; echo $?
step before; operon daemon service start; echo "code $?"
step install; operon daemon service install; echo "code $?"; systemctl is-enabled operon
step verify; systemd-analyze verify /etc/systemd/system/operon.service; echo "code $?"
step start; operon daemon service start; echo "code $?"; systemctl show operon -p Type -p NotifyAccess -p StatusText -p WatchdogUSec
step call; operon exec run local -- echo through the service; echo "code $?"
step status; operon daemon service status --json; echo "code $?"
step reload; sed -i 's/default_timeout_secs: 30/default_timeout_secs: 31/' $OPERON_HOME/config.yaml; systemctl reload operon; echo "code $?"; settle eval 'state=$(systemctl is-active operon); [ "$state" = active ]'; echo $state
step kill; before=$(systemctl show operon -p MainPID --value); kill -9 $before
settle eval '[ "$(systemctl show operon -p MainPID --value)" != "$before" ] && [ "$(systemctl is-active operon)" = active ]'
systemctl is-active operon; operon exec run local -- echo back again; operon audit verify --json | head -c 12; echo
step watchdog; before=$(systemctl show operon -p MainPID --value); mkdir -p /run/systemd/system/operon.service.d
printf '[Service]\\nWatchdogSec=2\\n' > /run/systemd/system/operon.service.d/w.conf; systemctl daemon-reload; systemctl restart operon
before=$(systemctl show operon -p MainPID --value); kill -STOP $before
settle eval '[ "$(systemctl show operon -p MainPID --value)" != "$before" ] && [ "$(systemctl is-active operon)" = active ]'
systemctl show operon -p NRestarts; systemctl is-active operon
step logs; operon daemon service logs -n 50 | grep -c "Node inside"
step stop; operon daemon service stop; echo "code $?"; systemctl is-active operon; operon daemon service status --json; echo "code $?"
step uninstall; operon daemon service uninstall --yes; echo "code $?"; test -e /etc/systemd/system/operon.service; echo "there $?"; test -f $OPERON_HOME/key; echo "key $?"
step secrets; grep -rc "$(head -c 24 $OPERON_HOME/key)" /etc/systemd /test/unit 2>/dev/null | grep -v ':0' ; echo none
step end
systemctl poweroff
`;

beforeAll(async () => {
  if (!isPossible) return;
  if (!existsSync(SYSTEM)) await makeSystem();
  folder = mkdtempSync(join(CACHE, "run-"));
  writeFileSync(join(folder, "test.sh"), SCRIPT, { mode: 0o755 });
  copyFileSync(executable, join(folder, "operon"));
  writeFileSync(
    join(folder, "operon-test.service"),
    "[Unit]\nAfter=multi-user.target\n[Service]\nType=oneshot\nExecStart=/test/test.sh\n",
  );
  const child = Bun.spawn(
    [
      ...["systemd-nspawn", "-q", "--register=no", "--keep-unit", "--private-network", "-b"],
      ...["--volatile=overlay", `--directory=${SYSTEM}`, `--bind=${folder}:/test`],
      `--bind-ro=${join(folder, "operon")}:/usr/local/bin/operon`,
      `--bind-ro=${join(folder, "operon-test.service")}:/etc/systemd/system/operon-test.service`,
      "systemd.wants=operon-test.service",
    ],
    { stdio: ["ignore", "pipe", "pipe"], timeout: 150_000, killSignal: "SIGKILL" },
  );
  const said = await new Response(child.stdout).text();
  await child.exited;
  const output = existsSync(join(folder, "output"))
    ? await Bun.file(join(folder, "output")).text()
    : said;
  steps = new Map(
    output.split(/^----- /m).map((part) => {
      const [name = "", ...lines] = part.split("\n");
      return [name, lines.join("\n").trim()] as const;
    }),
  );
  expect(steps.has("end"), output).toBe(true);
}, 400_000);
afterAll(() => folder && rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!isPossible)("a real systemd", () => {
  test("is not asked to start what is not installed", () => {
    expect(steps.get("before")).toContain("operon daemon service install");
    expect(steps.get("before")).toContain("code 3");
  });

  test("takes the unit without a complaint, and enables it", () => {
    expect(steps.get("install")).toContain("code 0");
    expect(steps.get("install")).toContain("enabled");
    expect(steps.get("verify")).toBe("code 0");
  });

  test("is told when the node is ready", () => {
    const start = steps.get("start");
    expect(start).toContain("code 0");
    expect(start).toContain("Type=notify");
    expect(start).toContain("StatusText=Node inside serves");
    expect(start).toContain("WatchdogUSec=30s");
    expect(steps.get("call")).toBe("through the service\ncode 0");
  });

  test("reports what the service does", () => {
    const [json = "", code] = (steps.get("status") ?? "").split("\n");
    expect(JSON.parse(json)).toMatchObject({
      manager: "systemd",
      is_running: true,
      state: "active (running)",
    });
    expect(code).toBe("code 0");
  });

  test("reloads the node and keeps it", () => {
    expect(steps.get("reload")).toBe("code 0\nactive");
  });

  test("starts a killed node again, whose log verifies", () => {
    expect(steps.get("kill")).toContain("active\nback again");
    expect(steps.get("kill")).toContain('{"ok":true');
  });

  test("starts a hung node again", () => {
    expect(steps.get("watchdog")).toMatch(/NRestarts=[1-9]\d*\nactive/);
  });

  test("shows what the node said", () => {
    expect(Number(steps.get("logs"))).toBeGreaterThan(0);
  });

  test("stops the node in order and forgets it", () => {
    expect(steps.get("stop")).toContain("code 0\ninactive");
    expect(steps.get("stop")).toContain("code 1");
    expect(steps.get("uninstall")).toContain("code 0\nthere 1\nkey 0");
  });

  test("is shown no secret", () => {
    expect(steps.get("secrets")).toBe("none");
  });
});

async function makeSystem(): Promise<void> {
  mkdirSync(CACHE, { recursive: true });
  const making = mkdtempSync(join(CACHE, "making-"));
  const child = Bun.spawn(
    ["debootstrap", "--variant=minbase", "--include=systemd,dbus", "bookworm", making],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const said = await new Response(child.stdout).text();
  expect(await child.exited, said).toBe(0);
  renameSync(making, SYSTEM);
}
