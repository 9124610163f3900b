// Keeps the values of secrets out of a stream of output: in clear, in JSON, in URLs, in base64.
// It must never be the only thing between a secret and somebody: a command can always write a value in another way.
// Next: spelling.ts has the ways that are known, redaction_pass.ts replaces them.

import type { Needle } from "./needle_tree.ts";
import { RedactionPass } from "./redaction_pass.ts";
import { spellingsOf } from "./spelling.ts";

/** Values by name. */
export type SecretValues = Readonly<Record<string, string>>;

/** Redacts one stream, chunk by chunk. */
export class Redactor {
  readonly #plain: RedactionPass;
  readonly #wrapped: RedactionPass;

  constructor(values: SecretValues) {
    const plain: Needle[] = [];
    const wrapped: Needle[] = [];
    for (const [name, value] of Object.entries(values)) {
      const spellings = spellingsOf(value);
      for (const bytes of spellings.plain) plain.push({ name, bytes });
      for (const bytes of spellings.wrapped) wrapped.push({ name, bytes });
    }
    this.#plain = new RedactionPass(plain, false);
    this.#wrapped = new RedactionPass(wrapped, true);
  }

  /** Takes a chunk, and gives what can be shown now; perhaps nothing. */
  push(bytes: Uint8Array): Uint8Array {
    return this.#wrapped.push(this.#plain.push(bytes));
  }

  /** For a terminal that has been silent for a moment: shows the first bytes of what is most likely no secret. */
  release(): Uint8Array {
    const shown = this.#wrapped.push(this.#plain.release());
    return Buffer.concat([shown, this.#wrapped.release()]);
  }

  /** The rest, at the end. */
  flush(): Uint8Array {
    const last = this.#wrapped.push(this.#plain.flush());
    return Buffer.concat([last, this.#wrapped.flush()]);
  }
}

/** Redacts the chunks of a command's outputs; without secrets they go by untouched. */
export async function* redacted<Channel extends string, Result>(
  chunks: AsyncGenerator<{ readonly channel: Channel; readonly bytes: Uint8Array }, Result>,
  values: SecretValues,
): AsyncGenerator<{ readonly channel: Channel; readonly bytes: Uint8Array }, Result, undefined> {
  if (Object.keys(values).length === 0) return yield* chunks;
  const redactors = new Map<Channel, Redactor>();
  try {
    for (;;) {
      const next = await chunks.next();
      if (next.done) {
        for (const [channel, redactor] of redactors) {
          const bytes = redactor.flush();
          if (bytes.byteLength > 0) yield { channel, bytes };
        }
        return next.value;
      }
      const { channel, bytes } = next.value;
      const redactor = redactors.get(channel) ?? new Redactor(values);
      redactors.set(channel, redactor);
      const shown = redactor.push(bytes);
      if (shown.byteLength > 0) yield { channel, bytes: shown };
    }
  } finally {
    // Whoever reads went away: what gives the chunks has to end, too.
    await chunks.return(undefined as Result);
  }
}
