import { expect, test } from "bun:test";
import { placeAt, placeText } from "./place.ts";

const here = { node: "a", path: "/data/deep" };
const id = `ed25519:${"a".repeat(52)}`;

test.each([
  ["x", "a:/data/deep/x"],
  [".", "a:/data/deep"],
  ["..", "a:/data"],
  ["../../../..", "a:/"],
  ["../x/./y//z/", "a:/data/x/y/z"],
  ["/x", "a:/x"],
  ["/", "a:/"],
  ["b:", "b:/"],
  ["b:x", "b:/x"],
  ["b:/x/../y", "b:/y"],
  ["b:/../../etc", "b:/etc"],
  ["./a:b", "a:/data/deep/a:b"],
  ["sub/a:b", "a:/data/deep/sub/a:b"],
  ["a b", "a:/data/deep/a b"],
  ["...", "a:/data/deep/..."],
  [`${id}:/x`, `${id}:/x`],
  [`${id}:`, `${id}:/`],
])("%p leads to %p", (word, expected) => {
  expect(placeText(placeAt(here, word))).toBe(expected);
});

test.each(["-x:/y", "a b:/c", "ü:/x", " :/x"])("%p names no node", (word) => {
  expect(() => placeAt(here, word)).toThrow(
    expect.objectContaining({ code: "cli.target_invalid" }),
  );
});

test.each([
  ["an escape", "\x1b[2J"],
  ["a C1 control", "\x9b2J"],
  ["a bidirectional override", "\u202e"],
  ["a line separator", "\u2028"],
  ["a line feed", "\n"],
  ["a zero", "\0"],
])("attack 27: a node's name with %s in it is none", (_, character) => {
  for (const word of [`a${character}:/x`, `${character}a:/x`, `a${character}:`, `a${character}:x`])
    expect(() => placeAt(here, word)).toThrow(
      expect.objectContaining({ code: "cli.target_invalid" }),
    );
  expect(placeText(placeAt(here, `./a${character}:x`))).toBe(`a:/data/deep/a${character}:x`);
});
