// A node for Windows: a task that starts with the machine or its user and is started again when it fails. A Windows
// service proper must speak the service control protocol, which a console program does not.
// It must never let a path end an element: everything is escaped.
// Next: manager.ts registers it.

import { join } from "node:path";
import type { ServiceDefinition, WrittenDefinition } from "./definition.ts";
import { escapeXml } from "./xml.ts";

/** The task's definition and where it is kept (Task Scheduler schema 1.4). */
export function scheduledTask(definition: ServiceDefinition): WrittenDefinition {
  const { name, command, home, scope } = definition;
  const [program = "", ...words] = command;
  const isSystem = scope === "system";
  const trigger = isSystem ? "BootTrigger" : "LogonTrigger";
  const user = isSystem
    ? "<UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel>"
    : "<LogonType>InteractiveToken</LogonType><RunLevel>LeastPrivilege</RunLevel>";
  const text = `<?xml version="1.0" encoding="UTF-8"?>
<Task version="1.4" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>operon node</Description></RegistrationInfo>
  <Triggers><${trigger}><Enabled>true</Enabled></${trigger}></Triggers>
  <Principals><Principal id="node">${user}</Principal></Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions Context="node">
    <Exec><Command>${escapeXml(program)}</Command><Arguments>${escapeXml(words.map(quoteWord).join(" "))}</Arguments></Exec>
  </Actions>
</Task>
`;
  return { path: join(home, `${name}-task.xml`), text };
}

/** A word as Windows programs split it again. */
function quoteWord(word: string): string {
  if (word !== "" && !/[\s"]/.test(word)) return word;
  return `"${word.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, "$1$1")}"`;
}
