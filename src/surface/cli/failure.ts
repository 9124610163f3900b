// How an error leaves the process: text for a person, one JSON object for a program, and the exit code.
// It must never print a stack unless asked, nor a character a terminal would obey.
// Next: error.ts says what a kind means; cli.ts catches.

import { OperonError, toOperonError } from "../../error.ts";
import { isColored, type Running } from "./context.ts";
import { escapeLines, escapeText, jsonLine } from "./escape.ts";

/** 128 + the number of the signal, as shells have it. */
const SIGNAL_EXIT_CODES: Readonly<Record<string, number>> = {
  SIGHUP: 129,
  SIGINT: 130,
  SIGPIPE: 141,
  SIGTERM: 143,
};
const DETAILS_MAX = 8;

/** Prints an error and returns the exit code. Never throws: there is nobody left to tell. */
export async function reportFailure(thrown: unknown, running: Running): Promise<number> {
  const error = asOperonError(thrown);
  const { context, globals } = running;
  // A reader that left has seen what it wanted: `operon … | head` is no failure to talk about.
  if (error.code === "cli.output_closed") return SIGNAL_EXIT_CODES.SIGPIPE as number;
  const exitCode = exitCodeOf(error, context.signal);
  const text = globals.json
    ? jsonLine({ error: { ...error.toDocument(), exit_code: exitCode } })
    : failureText(error, running);
  await context.stdio.stderr.write(text).catch(() => {});
  return exitCode;
}

/** The error, or what to say about a failure of this program itself. */
export function asOperonError(thrown: unknown): OperonError {
  if (thrown instanceof OperonError) return thrown;
  const error = toOperonError(thrown);
  if (error.kind !== "internal") return error;
  return new OperonError({
    code: "cli.internal",
    kind: "internal",
    message: `operon itself failed: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    hint: "This is a defect; --verbose shows where it happened",
    cause: thrown,
  });
}

function exitCodeOf(error: OperonError, signal: AbortSignal): number {
  if (error.kind === "cancelled" && signal.aborted) {
    return SIGNAL_EXIT_CODES[String(signal.reason)] ?? error.exitCode;
  }
  return error.exitCode;
}

function failureText(error: OperonError, running: Running): string {
  const paint = painter(isColored(running, "stderr"));
  const { message, code, hint } = error;
  const lines = [
    `${paint("31;1", "error:")} ${escapeText(message)} ${paint("2", `(${escapeText(code)})`)}`,
    ...detailLines(error),
    ...(hint ? [`${paint("36", "hint:")} ${escapeText(hint)}`] : []),
    ...(running.globals.verbose ? causeLines(error) : []),
  ];
  return `${lines.join("\n")}\n`;
}

/** Scalars of the error's data that its message does not name yet. */
function detailLines({ data, message }: OperonError): string[] {
  return Object.entries(data ?? {})
    .filter(([, value]) => ["string", "number", "boolean"].includes(typeof value))
    .filter(([, value]) => !message.includes(String(value)))
    .slice(0, DETAILS_MAX)
    .map(
      ([name, value]) => `  ${escapeText(name).replaceAll("_", " ")}: ${escapeText(String(value))}`,
    );
}

function causeLines({ cause }: OperonError): string[] {
  if (cause === undefined) return [];
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return [`cause: ${escapeLines(text)}`];
}

function painter(isOn: boolean) {
  return (style: string, text: string) => (isOn ? `\x1b[${style}m${text}\x1b[0m` : text);
}
