// Runs what a document shows, in the order it shows it, as one shell session.
//   ```sh            lines of the session
//   ```yaml          written to the file its first line names (`# workflow.yaml`)
//   ```ts            run with Bun from the session's folder
//   ```text, ```json lines that must be in the output of the sh or ts block before, in order; … stands for anything
// A port of 127.0.0.1 it names is another one here: the one given for it, or one that is free.
import { dirname, join } from "node:path";
import { freePort } from "./free_port.ts";

/** Folder of the repository. */
export const root = dirname(dirname(import.meta.dir));

/** A fenced block of code. */
export interface Block {
  readonly language: string;
  readonly text: string;
}

/** How a document's session ended, and all it printed. */
export interface Session {
  readonly code: number;
  readonly output: string;
}

/** The document's blocks, in order. */
export function blocksOf(markdown: string): readonly Block[] {
  return [...markdown.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, text]) => ({
    language: language!,
    text: text!,
  }));
}

/** Where a session runs. */
export interface SessionOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Ports of 127.0.0.1 by the number that stands for them in the document. */
  readonly ports?: Readonly<Record<string, number>>;
}

/** Runs all blocks that run; background jobs end with the session. */
export async function runBlocks(
  blocks: readonly Block[],
  { cwd, env, ports = {} }: SessionOptions,
): Promise<Session> {
  const child = Bun.spawn(["bash", "-c", withPorts(script(blocks), ports)], {
    cwd,
    env: { LANG: process.env.LANG ?? "C.UTF-8", NO_COLOR: "1", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  const output = await new Response(child.stdout).text();
  return { code: await child.exited, output };
}

/** A line that the document promises, and whether the session printed it. */
export interface PromisedLine {
  readonly line: string;
  readonly isPrinted: boolean;
  /** What it should be in: the output of the block before, from the last line found on. */
  readonly output: string;
}

/** What became of each line of the document's `text` and `json` blocks. */
export function promisedLines(blocks: readonly Block[], session: Session): PromisedLine[] {
  const outputs = session.output.split(/^----- block (\d+)\n/m);
  return blocks.flatMap(({ language, text }, index) => {
    if (language !== "text" && language !== "json") return [];
    const at = outputs.indexOf(String(index - 1));
    let output = at > 0 ? outputs[at + 1]! : "";
    return text
      .trimEnd()
      .split("\n")
      .map((line) => {
        const found = linePattern(line).exec(output);
        const promised = { line, isPrinted: found !== null, output };
        if (found) output = output.slice(found.index + found[0].length);
        return promised;
      });
  });
}

function script(blocks: readonly Block[]): string {
  const lines = [
    "set -euo pipefail",
    "exec 2>&1",
    `trap 'code=$?; kill $(jobs -p) 2>/dev/null || :; wait; exit $code' EXIT`,
  ];
  for (const [index, { language, text }] of blocks.entries()) {
    lines.push(`echo "----- block ${index}"`);
    if (language === "sh") lines.push(...text.trimEnd().split("\n").map(ready));
    if (language === "yaml") lines.push(hereDocument(text.match(/^# (\S+)\n/)![1]!, text));
    if (language === "ts")
      lines.push(hereDocument(`block-${index}.ts`, fromClone(text)), `bun ./block-${index}.ts`);
  }
  return lines.join("\n");
}

/** A person types slower than a daemon starts, or takes over a change. */
function ready(line: string): string {
  const wait = (isSo: string) =>
    `${line}\nfor attempt in $(seq 200); do ${isSo} && break; sleep 0.05; done`;
  if (line.startsWith("operon daemon start")) return wait('[ -S "$HOME/.operon/daemon.sock" ]');
  if (!line.includes("config.yaml")) return line;
  return wait(
    `operon audit list --json | grep -q "$(sha256sum < ~/.operon/config.yaml | cut -d' ' -f1)"`,
  );
}

function hereDocument(path: string, text: string): string {
  return `cat > ${path} <<'END_OF_BLOCK'\n${text}END_OF_BLOCK`;
}

/** The session's folder only links to the clone, and a link's own imports are looked for where it points. */
function fromClone(text: string): string {
  return text.replaceAll('"./src/', `"${join(root, "src")}/`);
}

function linePattern(line: string): RegExp {
  const parts = line.split("…").map((part) => RegExp.escape(part.trim()));
  return new RegExp(`^.*?${parts.join(".*?").replaceAll(/(?:\\x20)+/g, " +")}`, "m");
}

function withPorts(text: string, given: SessionOptions["ports"]): string {
  const named = /127\.0\.0\.1:([1-9]\d*)/g;
  const ports = new Map(Object.entries(given ?? {}));
  for (const [, port] of text.matchAll(named)) if (!ports.has(port!)) ports.set(port!, freePort());
  return text.replaceAll(named, (_, port) => `127.0.0.1:${ports.get(port)}`);
}
