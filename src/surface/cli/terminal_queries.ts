// Old output without its questions to the terminal: whoever asked has had the answers, and this terminal's would be keys.
// It must never change anything else of it, nor anything that is not old.
// Next: screen.ts passes by it what comes to a terminal.

/** What a terminal answers (ECMA-48, xterm's ctlseqs, kitty's keyboard and graphics protocols). */
const CONTROL_SEQUENCES = [
  "[>=]?[\\d;]*c", // DA: what it is
  "\\??[\\d;]*n", // DSR: its state, where the cursor is
  "\\??[\\d;]*\\$p", // DECRQM: a mode
  ">[\\d;]*q", // XTVERSION
  "\\?u", // kitty's keyboard flags
  "\\?[\\d;]*m", // XTQMODKEYS
  "[01]?x", // DECREQTPARM
  "(?:1[1345689]|2[01])(?:;[\\d;]*)?t", // its window
  "\\?\\d+;[14](?:;[\\d;]*)?S", // XTSMGRAPHICS: reading one
];
/** To be kept whole: a sequence in it is another terminal's. */
const PASSED_ON = "\\x1bPtmux;(?:[^\\x1b]|\\x1b\\x1b)*\\x1b\\\\";
const QUERIES = new RegExp(
  [
    PASSED_ON,
    "\\x05", // ENQ
    "\\x1bZ", // DECID
    `\\x1b\\[(?:${CONTROL_SEQUENCES.join("|")})`,
    "\\x1bP[$+]q[^\\x1b]*\\x1b\\\\", // DECRQSS, XTGETTCAP
    "\\x1b\\](?:[45]|1\\d|52);[^\\x07\\x1b]*(?:\\x07|\\x1b\\\\)", // colours, the clipboard
    "\\x1b_G(?:[^;\\x1b]*,)?a=q(?:[,;][^\\x1b]*)?\\x1b\\\\", // kitty's graphics
  ].join("|"),
  "g",
);
/** The beginning of what may be one. */
const UNFINISHED =
  /\x1b(?:$|\[[0-?]*[ -/]*$|[P\]_][^\x07\x1b]*\x1b?$|Ptmux;(?:[^\x1b]|\x1b\x1b)*\x1b?$)/;
/** Longer sequences ask nothing (bytes). */
const HELD_MAX = 4096;

/** Takes the questions out of output, whichever way it is cut into chunks. */
export class QueryFilter {
  /** The beginning of a sequence whose end has not come yet. */
  #held = "";

  /** What of a chunk is to be shown now, when its first `oldBytes` are old. */
  pass(chunk: Uint8Array, oldBytes: number): Uint8Array {
    if (oldBytes <= 0 && this.#held === "") return chunk;
    const old = Buffer.from(chunk.subarray(0, Math.max(0, oldBytes)));
    const text = this.#held + old.toString("latin1");
    const isAllOld = oldBytes > chunk.byteLength;
    const start = isAllOld ? text.slice(-HELD_MAX).search(UNFINISHED) : -1;
    const end = start < 0 ? text.length : Math.max(0, text.length - HELD_MAX) + start;
    this.#held = text.slice(end);
    const shown = Buffer.from(text.slice(0, end).replace(QUERIES, kept), "latin1");
    return Buffer.concat([shown, chunk.subarray(old.byteLength)]);
  }
}

/** What is left of a sequence that may be a question. */
function kept(sequence: string): string {
  if (sequence.startsWith("\x1bPtmux;")) {
    const inner = sequence.slice(7, -2).replaceAll("\x1b\x1b", "\x1b");
    return inner.replace(QUERIES, kept) === inner ? sequence : "";
  }
  if (!sequence.startsWith("\x1b]")) return "";
  return /;\?(?:[;\x07\x1b])/.test(sequence) ? "" : sequence;
}
