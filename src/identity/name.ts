import { OperonError } from "../error.ts";

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** A local name of a node or principal. @param what for the message: "node" @throws OperonError `identity.name_invalid` */
export function parseName(text: string, what: string): string {
  if (NAME.test(text)) return text;
  throw new OperonError({
    code: "identity.name_invalid",
    kind: "invalid_argument",
    message: `"${text.slice(0, 80)}" cannot be the name of a ${what}`,
    hint: "Use lower case letters, digits, dots, dashes and underscores, at most 64, a letter or digit first",
  });
}
