import { expect, test } from "bun:test";
import { needsTerminal } from "./needs_terminal.ts";

test.each([
  "sh",
  "bash -l",
  "vim",
  "vim +3 src/a.ts",
  "/usr/bin/top -d 1",
  "LANG=C less x",
  "sudo apt update",
  "python3",
])("%p talks to a person", (line) => {
  expect(needsTerminal(line)).toBeTrue();
});

test.each([
  "",
  "sh -c 'echo x'",
  "bash -lc true",
  "sh script.sh",
  "python3 x.py",
  "echo vim",
  "vim x > y",
  "top | head",
  "less x; ls",
  "shx",
  "visual",
])("%p prints and ends", (line) => {
  expect(needsTerminal(line)).toBeFalse();
});
