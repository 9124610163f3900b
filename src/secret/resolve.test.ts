import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OperonError } from "../error.ts";
import { FILE_BYTES_MAX, VALUE_BYTES_MAX } from "./reference.ts";
import { readReference, toValue } from "./resolve.ts";

const folder = mkdtempSync(join(tmpdir(), "operon-resolve-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const env = { HOME: "/somewhere", SECRET_OF_THE_DAEMON: "not-for-programs", LD_AUDIT: "/x.so" };
const shell = (text: string, programMs?: number) => {
  const limits = programMs === undefined ? {} : { programMs };
  return readReference({ exec: ["/bin/sh", "-c", text] }, { env, ...limits });
};
const refusal = async (answer: Promise<unknown>) => {
  const error = await answer.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(OperonError);
  expect((error as OperonError).code).toBe("secret.unusable");
  const { message, hint } = error as OperonError;
  // Whoever reads this has just been told by the check that it would send them to.
  expect(hint).not.toContain("secret check");
  return message;
};

test("a program's words are no shell's, and its environment has nothing of the daemon's", async () => {
  const words = await readReference({ exec: ["/bin/echo", "$HOME; id"] }, { env });
  expect(toValue(words)).toBe("$HOME; id");
  const variables = Buffer.from(await shell("env")).toString();
  expect(variables).toContain("HOME=/somewhere");
  expect(variables).not.toMatch(/not-for-programs|LD_AUDIT/);
});

test("a program that does not end is ended with what it started, and says nothing in the error", async () => {
  const pidFile = join(folder, "pid");
  const script = `echo half-a-value; sleep 1000 & echo $! > ${pidFile}; wait`;
  const message = await refusal(shell(script, 2_000));
  expect(message).toMatch(/\/bin\/sh took longer than 2 s/);
  expect(message).not.toContain("half");
  const pid = readFileSync(pidFile, "utf8").trim();
  const state = () => {
    try {
      return / ([A-Z]) /.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
    } catch {
      return "gone";
    }
  };
  const end = Date.now() + 30_000;
  while (!["gone", "Z"].includes(state() ?? "") && Date.now() < end) await Bun.sleep(10);
  expect(["gone", "Z"]).toContain(state() ?? "");
});

test("a program that closes its output and stays is ended, too", async () => {
  expect(await refusal(shell("exec >&-; sleep 1000", 500))).toContain("took longer");
});

test("a program that prints without end is ended at the bound", async () => {
  const message = await refusal(shell("yes a-secret-line"));
  expect(message).toContain(`printed more than ${VALUE_BYTES_MAX} bytes`);
  expect(message).not.toContain("a-secret-line");
});

test("a program that fails gives no value, whatever it printed", async () => {
  const message = await refusal(shell("echo printed-before-failing; exit 3"));
  expect(message).toContain("exited with 3");
  expect(message).not.toContain("printed-before");
  expect(await refusal(readReference({ exec: ["/no/such/program"] }, { env }))).toContain(
    "started",
  );
});

test("a file of the longest value has room for its newline, and no more", async () => {
  const path = join(folder, "long");
  writeFileSync(path, `${"x".repeat(VALUE_BYTES_MAX)}\r\n`, { mode: 0o600 });
  expect(toValue(await readReference(`file:${path}`, { env }))).toHaveLength(VALUE_BYTES_MAX);
  writeFileSync(path, "x".repeat(FILE_BYTES_MAX + 1));
  await expect(readReference(`file:${path}`, { env })).rejects.toMatchObject({
    code: "identity.file_invalid",
  });
});

test.each([
  ["a file that is not there", () => readReference("file:/no/such/file", { env }), "Put the value"],
  ["a variable that is not set", () => readReference("env:NOT_SET", { env }), "Set NOT_SET where"],
  [
    "a credential without systemd",
    () => readReference("credential:db", { env }),
    "LoadCredential=db:",
  ],
  [
    "a credential that is not there",
    () => readReference("credential:db", { env: { CREDENTIALS_DIRECTORY: folder } }),
    "LoadCredential=db:",
  ],
  [
    "a program that is not there",
    () => readReference({ exec: ["/no/program"] }, { env }),
    "execute",
  ],
  ["a program that fails", () => shell("exit 3"), "daemon's user"],
  ["a short value", async () => toValue(Buffer.from("1234567")), "at least 8 bytes"],
  ["a long value", async () => toValue(Buffer.alloc(VALUE_BYTES_MAX + 1, "x")), "file of its own"],
  ["a value that is no text", async () => toValue(Buffer.alloc(8, 0xff)), "base64"],
  ["a value with a NUL byte", async () => toValue(Buffer.from("12345678\0")), "base64"],
])("the hint says what to do about %s", async (_what, read, hint) => {
  const error = await Promise.resolve(read()).catch((thrown) => thrown);
  expect(error).toMatchObject({ code: "secret.unusable", kind: "failed_precondition" });
  expect(error.hint).toContain(hint);
});
