import { expect, test } from "bun:test";
import { Screen } from "./screen.ts";

const OTHER_SCREEN_OFF = "\x1b[?1049l";

/** What puts a terminal in order that was shown these chunks. */
function restoring(...chunks: readonly string[]): string {
  const screen = new Screen();
  for (const chunk of chunks) screen.shown(new TextEncoder().encode(chunk), 0);
  return screen.restoring();
}

test("a Screen leaves the other screen where a program is still on it, however that is cut", () => {
  expect(restoring("a\x1b[?1049hb")).toStartWith(OTHER_SCREEN_OFF);
  expect(restoring("a\x1b[?10", "49", "hb")).toStartWith(OTHER_SCREEN_OFF);
  expect(restoring("\x1b[?1049l", "\x1b[?1049h", "c")).toStartWith(OTHER_SCREEN_OFF);
});

test("a Screen leaves no other screen where none is shown", () => {
  for (const chunks of [["a"], ["\x1b[?1049h", "b\x1b[?1049", "l"], ["\x1b[?1049"]])
    expect(restoring(...chunks)).not.toContain(OTHER_SCREEN_OFF);
});

test("a Screen ends what makes keys, focus and the mouse something else than a shell expects", () => {
  const [, modes] = /\x1b\[\?([\d;]+)l/.exec(restoring()) ?? [];
  expect(modes?.split(";")).toEqual(expect.arrayContaining(["1", "1000", "1004", "2004"]));
  expect(restoring()).toContain("\x1b>");
  expect(restoring()).toContain("\x1b[>4m");
});
