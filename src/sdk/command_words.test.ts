import { describe, expect, test } from "bun:test";
import { OperonError } from "../error.ts";
import { type CommandWord, commandWords } from "./command_words.ts";

const words = ({ raw }: TemplateStringsArray, ...values: CommandWord[]) =>
  commandWords(raw, values);

describe("commandWords()", () => {
  test("splits what is written on white space and keeps quoted texts whole", () => {
    expect(words`grep -n "two words" 'it"s'  a.txt
      b.txt`).toEqual(["grep", "-n", "two words", 'it"s', "a.txt", "b.txt"]);
  });

  test("a value is one word, whatever a shell would make of it", () => {
    const odd = "a b; $(reboot) `x` ' \" | > /etc/passwd \n * \\";
    expect(words`echo ${odd}`).toEqual(["echo", odd]);
    expect(words`echo "${odd}"`).toEqual(["echo", odd]);
    expect(words`echo --name=${odd}.txt`).toEqual(["echo", `--name=${odd}.txt`]);
  });

  test("keeps an empty value as a word", () => {
    expect(words`echo ${""} '' end`).toEqual(["echo", "", "", "end"]);
  });

  test("takes a list as words of its own, none for an empty one", () => {
    expect(words`rm ${["a b", "-c"]} ${[]} ${7}`).toEqual(["rm", "a b", "-c", "7"]);
  });

  test("leaves backslashes, stars and dollars as they are written", () => {
    expect(words`grep -E '\d+\.ts$' *.ts \`x\` \${HOME}`).toEqual([
      "grep",
      "-E",
      "\\d+\\.ts$",
      "*.ts",
      "`x`",
      ["$", "{HOME}"].join(""),
    ]);
  });

  test.each([
    ["a list glued to a text", () => words`tar -${["x", "f"]}`],
    ["a text glued to a list", () => words`tar ${["x", "f"]}z`],
    ["two lists glued together", () => words`tar ${["x"]}${["f"]}`],
    ["a list in quotes", () => words`tar "${["x"]}"`],
    ["a quote that is not closed", () => words`echo "a`],
    ["nothing", () => words`  `],
    ["an empty list alone", () => words`${[]}`],
    ["undefined", () => words`echo ${undefined as never}`],
    ["an object", () => words`echo ${{} as never}`],
    ["a list in a list", () => words`echo ${[["x"]] as never}`],
  ])("refuses %s", (_name, make) => {
    expect(make).toThrow(OperonError);
    expect(make).toThrow(expect.objectContaining({ code: "sdk.command_invalid" }));
  });
});
