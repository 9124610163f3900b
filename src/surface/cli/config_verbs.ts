// The verbs about this machine's configuration: onboard, init config, config explain, config schema.
// It must never load more than their descriptions: what runs them comes when one is run.
// Next: onboard.ts, init_config.ts, config_explain.ts.

import type { ConfigVerbOptions } from "./config_parts.ts";
import type { HandWrittenVerb } from "./verb.ts";

/** The verbs, over the capabilities the node has. */
export function configVerbs(options: ConfigVerbOptions): readonly HandWrittenVerb[] {
  return [
    onboardVerb(options),
    {
      path: ["init", "config"],
      summary: "Write a commented example configuration",
      description:
        "Writes PATH (mode 0600) and its JSON Schema beside it. An existing file is refused. The example has no " +
        "principals, so it lets nobody do anything.",
      args: [{ name: "path", summary: "File to write", names: "local_file" }],
      examples: ["init config ./config.yaml"],
      run: async (input, context) =>
        (await import("./init_config.ts")).runInitConfig(input, context, options),
    },
    {
      path: ["config", "explain"],
      summary: "Show where every setting comes from, who may do what, and what is wrong",
      description:
        "Needs no daemon. The exit code is 1 when something is wrong; warnings and notes alone leave it 0.",
      examples: [
        "config explain",
        "config explain --json",
        "--config ./config.yaml config explain",
      ],
      run: async (_input, context) =>
        (await import("./config_explain.ts")).runConfigExplain(context, options),
    },
    {
      path: ["config", "schema"],
      summary: "Print the JSON Schema of the configuration",
      description:
        "Saved beside a configuration whose first line is `# yaml-language-server: $schema=./FILE`, it makes " +
        "editors complete and check the file.",
      examples: ["config schema"],
      run: async (_input, context) =>
        (await import("./init_config.ts")).runConfigSchema(context, options),
    },
  ];
}

function onboardVerb(options: ConfigVerbOptions): HandWrittenVerb {
  return {
    path: ["onboard"],
    summary: "Make this machine a node: home folder, key, configuration, workspace",
    description:
      "Asks on a terminal for what no flag gives; --yes takes the defaults. An existing key is kept, always; an " +
      "existing configuration stops it, unless --force, which keeps a copy. Nobody but this machine's own key " +
      "gets a role.",
    flags: [
      {
        name: "role",
        kind: "string",
        choices: ["daemon", "client", "both"],
        summary: "Serve, call, or both (default)",
      },
      {
        name: "output-dir",
        kind: "string",
        value: "FOLDER",
        summary: "Home folder; OPERON_HOME or ~/.operon when not given",
      },
      { name: "node-id", kind: "string", value: "NAME", summary: "Name of this node; else local" },
      {
        name: "workspace",
        kind: "string",
        value: "FOLDER",
        summary: "Folder that is served; else ~/operon-workspace",
      },
      {
        name: "listen",
        kind: "string",
        value: "HOST:PORT",
        summary: "Address to listen on; else 127.0.0.1:7789, which only this machine reaches",
      },
      {
        name: "force",
        kind: "boolean",
        summary: "Rewrite an existing configuration, never the key",
      },
    ],
    examples: [
      "onboard",
      "onboard --yes --role both --node-id local --listen 127.0.0.1:7789",
      "onboard --yes --role client",
    ],
    run: async (input, context) =>
      (await import("./onboard.ts")).runOnboard(input, context, options),
  };
}
