// The unit of a node for systemd, of the system or of a user.
// It must never kill what the node runs detached when it restarts the node, and never forbid what the node is for.
// Next: manager.ts installs it; node/service_notify.ts speaks to systemd from the other side.

import { join } from "node:path";
import type { ServiceDefinition, WrittenDefinition } from "./definition.ts";

/** Silence after which systemd takes the node for hung and starts it anew (s); the node reports twice as often. */
const WATCHDOG_SECS = 30;

/** Holds for both scopes; none of it needs rights beyond the user's. */
const HARDENING = [
  "UMask=0077",
  "NoNewPrivileges=yes",
  "LockPersonality=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "SystemCallArchitectures=native",
  "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
];

/** Needs the system's own manager. */
const SYSTEM_HARDENING = [
  "ProtectSystem=full",
  "ProtectKernelTunables=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelLogs=yes",
  "ProtectClock=yes",
  "ProtectHostname=yes",
];

/** The unit file and where it belongs. `configHome` is where a user's units are kept. */
export function systemdUnit(
  definition: ServiceDefinition,
  configHome: string = join(definition.user_home, ".config"),
): WrittenDefinition {
  const { name, command, scope, user_home } = definition;
  const isSystem = scope === "system";
  const lines = [
    "[Unit]",
    "Description=operon node",
    // A user's manager does not know the system's targets.
    ...(isSystem ? ["Wants=network-online.target", "After=network-online.target"] : []),
    "StartLimitIntervalSec=60",
    "StartLimitBurst=10",
    "",
    "[Service]",
    "Type=notify",
    "NotifyAccess=main",
    `ExecStart=${command.map(quoteWord).join(" ")}`,
    `ExecReload=/bin/sh -c "kill -USR2 $MAINPID"`,
    ...(isSystem ? [`Environment=${quoteWord(`HOME=${user_home}`)}`] : []),
    "Restart=on-failure",
    "RestartSec=1",
    `WatchdogSec=${WATCHDOG_SECS}`,
    "TimeoutStopSec=20",
    "# Detached commands and sessions outlive a restart of the node, which finds them again.",
    "KillMode=process",
    "Delegate=yes",
    ...HARDENING,
    ...(isSystem ? SYSTEM_HARDENING : []),
    "",
    "[Install]",
    `WantedBy=${isSystem ? "multi-user.target" : "default.target"}`,
    "",
  ];
  const folder = isSystem ? "/etc/systemd/system" : join(configHome, "systemd", "user");
  return { path: join(folder, `${name}.service`), text: lines.join("\n") };
}

/** A word as systemd reads it back unchanged (systemd.service(5), "Command lines"). */
function quoteWord(word: string): string {
  const literal = word.replaceAll("%", "%%").replaceAll("$", "$$$$");
  if (/^[\w@%+=:,./$-]+$/.test(literal)) return literal;
  return `"${literal.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}
