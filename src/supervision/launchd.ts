// The property list of a node for launchd, as an agent of a user or a daemon of the system.
// It must never let a path end an element: everything is escaped.
// Next: manager.ts loads it.

import { join } from "node:path";
import type { ServiceDefinition, WrittenDefinition } from "./definition.ts";
import { escapeXml } from "./xml.ts";

/** `dev.operon.NAME` */
export function launchdLabel(name: string): string {
  return `dev.operon.${name}`;
}

/** The property list and where it belongs (launchd.plist(5)). */
export function launchdPlist(definition: ServiceDefinition): WrittenDefinition {
  const { name, command, home, scope, user_home } = definition;
  const label = launchdLabel(name);
  const log = escapeXml(join(home, "daemon.log"));
  const text = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>${escapeXml(label)}</string>
  <key>ProgramArguments</key>
  <array>
${command.map((word) => `    <string>${escapeXml(word)}</string>`).join("\n")}
  </array>
  <key>EnvironmentVariables</key>
  <dict><key>HOME</key><string>${escapeXml(user_home)}</string></dict>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key>
  <dict><key>SuccessfulExit</key><false/></dict>
  <key>ThrottleInterval</key><integer>2</integer>
  <key>ExitTimeOut</key><integer>20</integer>
  <key>AbandonProcessGroup</key><true/>
  <key>Umask</key><integer>63</integer>
  <key>StandardOutPath</key><string>${log}</string>
  <key>StandardErrorPath</key><string>${log}</string>
</dict>
</plist>
`;
  const folder =
    scope === "system" ? "/Library/LaunchDaemons" : join(user_home, "Library", "LaunchAgents");
  return { path: join(folder, `${label}.plist`), text };
}
