// What `?` says: what the shell can do, and how a command is written.
// It must never say anything the grammar does not, apart from what is the shell's own.
// Next: cli/help.ts explains single commands.

import { suggest } from "../../policy/nearest_name.ts";
import { type CommandNode, kebab, visibleChildren } from "../cli/grammar.ts";
import { helpText } from "../cli/help.ts";
import { usageError } from "../cli/usage_error.ts";
import { type CommandTable, firstWords, nodeAt, OWN_COMMANDS } from "./command_table.ts";

const WRITING: readonly (readonly [string, string])[] = [
  ["COMMAND", "Anything else runs on the node, in the folder that the prompt shows"],
  ["gpu: COMMAND", "On another node"],
  ["on a,b: COMMAND", "On several at once, each line behind its node's name; on *: on all"],
  ["A | gpu: B | C", "What one prints is what the next one reads, wherever they run"],
  ["A > gpu:/f   A >> f   A < f", "To, after, and from files of nodes"],
  ["A; B   A && B   A || B", "One after the other"],
  ["! COMMAND   \\ls", "For the node's own shell, whatever is in it"],
  ["= EXPRESSION", "JavaScript: = await here.GROUP.NAME({…}), nodes.gpu, x = 1, _"],
  ["? COMMAND", "How a command is written"],
];

/** Help for some words; without words an overview. @throws OperonError `cli.command_unknown` */
export function shellHelp(table: CommandTable, topic: string): string {
  const words = topic.split(/[\s.]+/).filter((word) => word !== "");
  if (words.length === 0) return overview(table);
  const [first = ""] = words;
  if (Object.hasOwn(OWN_COMMANDS, first)) {
    return `${first}: ${OWN_COMMANDS[first as keyof typeof OWN_COMMANDS]}\n`;
  }
  const operation = table.words.get(first);
  const path = operation ? [kebab(operation.capability), kebab(operation.name)] : words;
  const found = nodeAt(table.root, path);
  if (found) return helpText(found);
  throw usageError(
    "command_unknown",
    `There is no help for ${JSON.stringify(topic)}`,
    `${suggest(topic, firstWords(table))}. What operon does not know runs on the node`,
  );
}

function overview(table: CommandTable): string {
  const own = Object.entries(OWN_COMMANDS);
  const short = [...table.words].map(([word, { summary }]) => [word, summary] as const);
  const others = visibleChildren(table.root).map((node) => [node.name, summaryOf(node)] as const);
  return [
    "A shell over all nodes: paths are NODE:/PATH, or start from the folder in the prompt\n",
    ...section("How lines are written:", WRITING),
    ...section("In this shell:", own),
    ...section("Short words for operations:", short),
    ...section("Everything else operon can do:", others),
    "A line that begins with a blank is not kept. Ctrl-C cancels a call, Ctrl-D leaves\n",
  ].join("\n");
}

function summaryOf(node: CommandNode): string {
  return (
    node.summary ||
    visibleChildren(node)
      .map(({ name }) => name)
      .join(", ")
  );
}

function section(title: string, rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}\n`);
  return rows.length === 0 ? [] : [`${title}\n${lines.join("")}`];
}
