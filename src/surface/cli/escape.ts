// Makes text from elsewhere harmless on a terminal: names, errors and outputs may come from a hostile peer.
// It must never be skipped for text that goes to a person; raw bytes of files and commands do not pass here.
// Next: render.ts, show.ts and failure.ts print only what went through here.

/**
 * Characters that move a cursor, change what is seen, or are not seen: C0, DEL, C1, line and paragraph separators,
 * bidirectional marks and overrides, zero-width characters, tags, and lone surrogates.
 */
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\u{e0000}-\u{e0fff}]/gu;

/** One line of text with nothing in it that a terminal would obey: `\x1b`, `\n`, `\u202e` are spelled out. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, spellOut);
}

/** As {@link escapeText}, but line feeds stay. */
export function escapeLines(text: string): string {
  return text.split("\n").map(escapeText).join("\n");
}

/** A value as one line of JSON that a terminal shows as it stands: what it would obey is escaped, the value is the same. */
export function jsonLine(value: unknown): string {
  const json = JSON.stringify(value) ?? "null";
  return `${json.replace(UNSAFE, escapeUnits)}\n`;
}

function escapeUnits(character: string): string {
  return Array.from({ length: character.length }, (_, at) => {
    const unit = character.charCodeAt(at).toString(16);
    return `\\u${unit.padStart(4, "0")}`;
  }).join("");
}

function spellOut(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code === 0x0a) return "\\n";
  if (code === 0x0d) return "\\r";
  if (code === 0x09) return "\\t";
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, "0")}`;
  if (code <= 0xffff) return `\\u${code.toString(16).padStart(4, "0")}`;
  return `\\u{${code.toString(16)}}`;
}
