// The ways a value is commonly written: as it is, in JSON, in URLs, in base64.
// It must never be taken for a guard against a command that wants to tell: there are endless other ways to write a value.
// Next: redactor.ts finds these in output.

/** The spellings of one value, without repetitions. */
export interface Spellings {
  /** Found as they are. */
  readonly plain: readonly Uint8Array[];
  /** Base64, found also where line breaks have been put into it. */
  readonly wrapped: readonly Uint8Array[];
}

/** How encoders differ in the characters they leave alone, besides letters, digits, `-`, `_` and `.`. */
const LEFT_ALONE = ["~", "~!*'()", "*", "~/"];

/** All spellings that are looked for. */
export function spellingsOf(value: string): Spellings {
  const plain = new Set([value]);
  // A terminal ends lines with both.
  plain.add(value.replaceAll("\n", "\r\n"));
  const json = JSON.stringify(value).slice(1, -1);
  plain.add(json).add(json.replace(/[^\x20-\x7e]/g, escapeUnit));
  for (const leftAlone of LEFT_ALONE)
    for (const space of ["%20", "+"]) {
      const upper = percentEncode(value, { leftAlone, space });
      plain.add(upper);
      plain.add(upper.replace(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase()));
    }
  return { plain: [...plain].map(bytesOf), wrapped: [...base64Of(value)].map(bytesOf) };
}

function percentEncode(
  value: string,
  { leftAlone, space }: { leftAlone: string; space: string },
): string {
  const isKept = (char: string) => /[A-Za-z0-9_.-]/.test(char) || leftAlone.includes(char);
  return Array.from(Buffer.from(value), (byte) => {
    const char = String.fromCharCode(byte);
    if (char === " ") return space;
    return isKept(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}

/**
 * What base64 makes of the value wherever it stands in a longer text: the three ways it may fall into groups of three
 * bytes, without the characters that hold bits of what is around it; and with the end they have when nothing follows.
 */
function base64Of(value: string): ReadonlySet<string> {
  const found = new Set<string>();
  for (const before of [0, 1, 2]) {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(value)]);
    const partial = bytes.byteLength % 3 === 0 ? 0 : 1;
    // `before` bytes fill that many characters and a part of the next.
    const from = before === 0 ? 0 : before + 1;
    const encoded = bytes.toString("base64");
    const text = encoded.replaceAll("=", "");
    for (const spelling of [text.slice(from, text.length - partial), encoded.slice(from)])
      found.add(spelling).add(spelling.replaceAll("+", "-").replaceAll("/", "_"));
    found.add(text.slice(from).replaceAll("+", "-").replaceAll("/", "_"));
  }
  return found;
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
