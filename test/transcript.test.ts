// Command lines and what they print, against the real operations and scripted nodes: a new case is a new text file.
//
//   $ operon fs stat gpu:/a          the command line, words quoted as in a shell
//   % tty columns=60                 it runs on a terminal; NAME=VALUE sets an environment variable
//   < text                           standard input (one line each)
//   @ {"output":{}}                  what the node answers, in order: see Answer in cli.fixture.ts
//   > gpu fs.stat {"path":"/a"}      the call that is made; ` <- "text"` after it is what was sent
//   | path  /a                       standard output; a line that ends in ↵ has no line feed
//   ! error: …                       standard error
//   = 3                              exit code, when it is not 0
//
// UPDATE_TRANSCRIPTS=1 writes what happens now into the files; read the difference before you keep it.

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { builtin } from "../src/builtin.ts";
import { Registry } from "../src/contract/registry.ts";
import {
  type Answer,
  type CliOutcome,
  type MadeCall,
  runCase,
} from "../src/surface/cli/cli.fixture.ts";

const folder = join(import.meta.dir, "transcript");
const capabilities = new Registry(Object.values(builtin)).describe();
const isUpdate = process.env.UPDATE_TRANSCRIPTS === "1";

for (const file of readdirSync(folder).filter((name) => name.endsWith(".txt"))) {
  const path = join(folder, file);
  const blocks = readFileSync(path, "utf8").split(/^(?=\$ )/m);
  const actual: string[] = [];
  describe(file, () => {
    for (const block of blocks) {
      if (!block.startsWith("$ ")) {
        actual.push(block);
        continue;
      }
      test(block.slice(2, block.indexOf("\n")), async () => {
        const now = await replay(block);
        actual.push(now);
        if (!isUpdate) expect(now).toBe(block);
      });
    }
    if (isUpdate) test("is updated", () => writeFileSync(path, actual.join("")));
  });
}

/** Runs a block's command and writes the block anew with what happened. */
async function replay(block: string): Promise<string> {
  const lines = block.split("\n");
  const given = (mark: string) =>
    lines.filter((line) => line.startsWith(`${mark} `)).map((line) => line.slice(2));
  const settings = given("%").flatMap((line) => line.split(" "));
  const answers = given("@").map((line) => JSON.parse(line) as Answer);
  const stdin = given("<");
  const columns = settings.find((one) => one.startsWith("columns="))?.slice(8);
  const outcome = await runCase({
    argv: words(given("$")[0]!).slice(1),
    capabilities,
    isTty: settings.includes("tty"),
    columns: columns === undefined ? 80 : Number(columns),
    env: Object.fromEntries(
      settings
        .filter((one) => /^[A-Z_]+=/.test(one))
        .map((one) => one.split("=") as [string, string]),
    ),
    ...(answers.length === 0 ? {} : { answers }),
    ...(stdin.length === 0 ? {} : { stdin: `${stdin.join("\n")}\n` }),
  });
  const kept = lines.filter((line) => /^[$%<@#] /.test(line));
  return `${[...kept, ...happened(outcome)].join("\n")}\n${block.endsWith("\n\n") ? "\n" : ""}`;
}

function happened(outcome: CliOutcome): string[] {
  return [
    ...outcome.calls.map(callLine),
    ...marked("|", outcome.stdout),
    ...marked("!", outcome.stderr),
    ...(outcome.exitCode === 0 ? [] : [`= ${outcome.exitCode}`]),
  ];
}

function callLine({ node, operation, input, timeoutMs, sent }: MadeCall): string {
  const timeout = timeoutMs === undefined ? "" : ` within ${timeoutMs} ms`;
  const stream = sent === undefined ? "" : ` <- ${JSON.stringify(sent)}`;
  return `> ${node} ${operation} ${JSON.stringify(input)}${timeout}${stream}`;
}

function marked(mark: string, text: string): string[] {
  if (text === "") return [];
  const isWhole = text.endsWith("\n");
  const lines = (isWhole ? text.slice(0, -1) : `${text}↵`).split("\n");
  return lines.map((line) => `${mark} ${line}`.trimEnd().replaceAll("\u001b", "␛"));
}

/** Splits a line as a shell does: spaces, single and double quotes. */
function words(line: string): string[] {
  const found: string[] = [];
  for (const [, word] of line.matchAll(/((?:'[^']*'|"[^"]*"|[^\s'"])+)/g)) {
    found.push(word!.replace(/'([^']*)'|"([^"]*)"/g, (_match, single, double) => single ?? double));
  }
  return found;
}
