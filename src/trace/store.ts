// Keeps traces in the node's home: one file a trace, newest 1000, readable by the owner only.
// It must never take a name from outside into a path: ids are checked, files are looked up in a listing.
// Next: document.ts is what a trace is, view.ts how a person reads one.

import { constants, mkdirSync } from "node:fs";
import { open, readdir, rename, rm } from "node:fs/promises";
import { OperonError } from "../error.ts";
import type { TraceDocument, TraceSummary } from "./document.ts";

/** Traces kept; older ones are deleted when a new one is saved. */
export const TRACES_MAX = 1_000;
/** Largest trace file read (bytes): excerpts keep real ones far below. */
const TRACE_BYTES_MAX = 64 * 1024 * 1024;

/** `<start, compact>-<trace id>.json` */
const FILE_NAME = /^(\d{8}T\d{9}Z)-([0-9a-f]{32})\.json$/;

/** Traces in one folder. Several processes may use it at once. */
export class TraceStore {
  readonly #directory: string;
  readonly #tracesMax: number;

  constructor(directory: string, options: { readonly tracesMax?: number } = {}) {
    this.#directory = directory;
    this.#tracesMax = options.tracesMax ?? TRACES_MAX;
  }

  /**
   * Writes a trace whole or not at all; the same trace again replaces the one before.
   * @throws OperonError `trace.invalid` for an id or a start no trace can have
   */
  async save(document: TraceDocument): Promise<void> {
    const name = fileNameOf(document);
    const temporary = `${this.#directory}/.${name}.${crypto.randomUUID()}`;
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      const file = await open(temporary, "wx", 0o600);
      try {
        await file.writeFile(`${JSON.stringify(document)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, `${this.#directory}/${name}`);
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => {});
      throw new OperonError({
        code: "trace.unavailable",
        kind: "unavailable",
        message: `The trace ${document.trace_id} cannot be written`,
        hint: "Look at the disk and at the permissions of the node's traces folder",
        cause,
      });
    }
    await this.#prune();
  }

  /**
   * Reads a trace by its id or a prefix of at least 4 characters that no other trace shares.
   * @throws OperonError `trace.missing`, `trace.ambiguous`, `trace.unreadable`
   */
  async read(trace: string): Promise<TraceDocument> {
    if (!/^[0-9a-f]{4,32}$/.test(trace)) throw missing(trace);
    const found = (await this.#names()).filter((name) => idOf(name).startsWith(trace));
    const ids = new Set(found.map(idOf));
    if (ids.size === 0) throw missing(trace);
    if (ids.size > 1) {
      throw new OperonError({
        code: "trace.ambiguous",
        kind: "invalid_argument",
        message: `${ids.size} traces start with ${trace}`,
        hint: `Say more of the id: ${[...ids].slice(0, 3).join(", ")}`,
      });
    }
    return await this.#load(found.at(-1)!);
  }

  /** The newest traces, newest first. A file that is not a trace is left out. */
  async list(limit: number): Promise<readonly TraceSummary[]> {
    const summaries: TraceSummary[] = [];
    for (const name of (await this.#names()).reverse()) {
      if (summaries.length >= limit) break;
      const document = await this.#load(name).catch(() => undefined);
      if (document) summaries.push(summarize(document));
    }
    return summaries;
  }

  /** Names of trace files, oldest first. */
  async #names(): Promise<string[]> {
    try {
      const names = await readdir(this.#directory);
      return names.filter((name) => FILE_NAME.test(name)).sort();
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw thrown;
    }
  }

  async #load(name: string): Promise<TraceDocument> {
    return await readTraceFile(`${this.#directory}/${name}`);
  }

  async #prune(): Promise<void> {
    const names = await this.#names();
    for (const name of names.slice(0, Math.max(0, names.length - this.#tracesMax))) {
      await rm(`${this.#directory}/${name}`, { force: true });
    }
  }
}

/**
 * Reads a trace from a file of the caller's choice, e.g. one written with `--trace-output`.
 * @throws OperonError `trace.missing`, `trace.unreadable`
 */
export async function readTraceFile(path: string): Promise<TraceDocument> {
  let text: string;
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const status = await file.stat();
      if (!status.isFile() || status.size > TRACE_BYTES_MAX) throw unreadable(path);
      text = await file.readFile("utf8");
    } finally {
      await file.close();
    }
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") throw missing(path);
    throw thrown instanceof OperonError ? thrown : unreadable(path, thrown);
  }
  try {
    const value = JSON.parse(text) as TraceDocument;
    if (isTrace(value)) return value;
  } catch (cause) {
    throw unreadable(path, cause);
  }
  throw unreadable(path);
}

/** A trace as a line of a list. */
export function summarize(document: TraceDocument): TraceSummary {
  const { trace_id, name, status, start, duration_ms, spans } = document;
  const steps = spans.filter((span) => span.parent_span_id !== undefined).length;
  return { trace_id, name, status, start, duration_ms, steps };
}

function isTrace(value: unknown): value is TraceDocument {
  if (typeof value !== "object" || value === null) return false;
  const { version, trace_id, name, start, spans, duration_ms } = value as Partial<TraceDocument>;
  return (
    version === 1 &&
    typeof trace_id === "string" &&
    typeof name === "string" &&
    typeof start === "string" &&
    typeof duration_ms === "number" &&
    Array.isArray(spans) &&
    spans.every(
      (span) => typeof span === "object" && span !== null && typeof span.name === "string",
    )
  );
}

function fileNameOf({ trace_id, start }: TraceDocument): string {
  const name = `${start.replaceAll(/[-:.]/g, "")}-${trace_id}.json`;
  if (FILE_NAME.test(name)) return name;
  throw new OperonError({
    code: "trace.invalid",
    kind: "invalid_argument",
    message: "A trace's id must be 32 lower-case hex characters and its start a UTC time",
  });
}

function idOf(name: string): string {
  return FILE_NAME.exec(name)?.[2] ?? "";
}

function missing(trace: string): OperonError {
  return new OperonError({
    code: "trace.missing",
    kind: "not_found",
    message: `No trace ${trace.slice(0, 200)}`,
    hint: "Run operon trace list",
  });
}

function unreadable(path: string, cause?: unknown): OperonError {
  return new OperonError({
    code: "trace.unreadable",
    kind: "data_loss",
    message: `${path.split("/").at(-1)} is not a trace`,
    hint: "Give a file that operon run --trace-output wrote",
    cause,
  });
}
