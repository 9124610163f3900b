// The words of a command template: what is written stays as written, what is put in is never split, joined or expanded.
// It must never let a value become more or less than the words it was given as.
// Next: command.ts runs them.

import { OperonError } from "../error.ts";

/** A value in a template: one word (or a part of one), or a list of words. */
export type CommandWord = string | number | bigint | boolean | readonly (string | number)[];

/**
 * The words of a template's raw texts and its values. White space separates words, simple quotes of either kind keep it
 * in one; nothing else is special: backslashes, `*`, `$`, `|` and `;` are themselves.
 * @throws OperonError `sdk.command_invalid`
 */
export function commandWords(raw: readonly string[], values: readonly CommandWord[]): string[] {
  const reader = new WordReader();
  for (const [index, text] of raw.entries()) {
    reader.text(text.replaceAll("\\`", "`").replaceAll("\\${", "${"));
    if (index >= values.length) continue;
    const value = values[index] as CommandWord;
    if (!Array.isArray(value)) {
      reader.value(textOf(value));
      continue;
    }
    const next = raw[index + 1] ?? "";
    const isLast = index + 1 === values.length;
    reader.list(value.map(textOf), next === "" ? isLast : /^\s/.test(next));
  }
  return reader.end();
}

class WordReader {
  readonly #words: string[] = [];
  #word: string | undefined;
  #quote = "";

  /** What is written in the template. */
  text(text: string): void {
    for (const character of text) {
      if (this.#quote !== "") {
        if (character === this.#quote) this.#quote = "";
        else this.value(character);
      } else if (character === '"' || character === "'") {
        this.#quote = character;
        this.value("");
      } else if (/\s/.test(character)) this.#endWord();
      else this.value(character);
    }
  }

  /** A word, or more of the one that has begun. */
  value(text: string): void {
    this.#word = (this.#word ?? "") + text;
  }

  list(words: readonly string[], isEnding: boolean): void {
    if (this.#word !== undefined || !isEnding)
      throw invalid(
        "A list in a command is words of its own",
        "Leave space on both sides of it, and no quotes",
      );
    this.#words.push(...words);
  }

  end(): string[] {
    if (this.#quote !== "")
      throw invalid(
        `A ${this.#quote} in a command is not closed`,
        "Close it, or put the text in as a value",
      );
    this.#endWord();
    if (this.#words.length === 0)
      throw invalid("The command is empty", "Write the program's name first");
    return this.#words;
  }

  #endWord(): void {
    if (this.#word !== undefined) this.#words.push(this.#word);
    this.#word = undefined;
  }
}

function textOf(value: unknown): string {
  if (["string", "number", "bigint", "boolean"].includes(typeof value)) return String(value);
  throw invalid(
    `A value in a command is ${value === null ? "null" : typeof value}`,
    "Put in a text, a number or a list of them",
  );
}

function invalid(message: string, hint: string): OperonError {
  return new OperonError({ code: "sdk.command_invalid", kind: "invalid_argument", message, hint });
}
