import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OperonError } from "../error.ts";
import { changeStore, readStore, STORE_BYTES_MAX } from "./store.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "operon-store-"));
  path = join(folder, "secrets.yaml");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const refusal = async (answer: Promise<unknown>): Promise<OperonError> => {
  const error = await answer.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(OperonError);
  return error as OperonError;
};
const keep = (name: string, value: string) =>
  changeStore(path, (values) => values.set(name, value));

test("the store is private from its first byte and keeps every text as it is", async () => {
  const values = ["12345678", "true", "~", "  blank ", "a\nb\n", "'\"#: -", "ä€😀", "0x1F", "-"];
  for (const [index, value] of values.entries()) await keep(`S${index}`, value);
  expect([...(await readStore(path)).values()]).toEqual(values);
  expect(lstatSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

test("changes at the same time are all kept", async () => {
  await Promise.all(Array.from({ length: 20 }, (_, index) => keep(`S${index}`, "a-value-of-it")));
  expect((await readStore(path)).size).toBe(20);
});

test("a store that is a symbolic link is neither read nor replaced", async () => {
  const real = join(folder, "elsewhere.yaml");
  writeFileSync(real, "TOKEN: a-planted-value\n", { mode: 0o600 });
  symlinkSync(real, path);
  expect((await refusal(readStore(path))).code).toBe("identity.file_linked");
  expect((await refusal(keep("OTHER", "a-value-of-mine"))).code).toBe("identity.file_linked");
  expect(readFileSync(real, "utf8")).toBe("TOKEN: a-planted-value\n");
  rmSync(real);
  expect((await refusal(keep("OTHER", "a-value-of-mine"))).code).toBe("identity.file_linked");
  expect(readdirSync(folder)).not.toContain("elsewhere.yaml");
});

test("a store others may read or write is refused, and a set does not repair it silently", async () => {
  await keep("TOKEN", "a-value-of-mine");
  for (const mode of [0o640, 0o604, 0o620]) {
    chmodSync(path, mode);
    expect((await refusal(readStore(path))).code).toBe("identity.file_exposed");
    expect((await refusal(keep("B", "another-value"))).code).toBe("identity.file_exposed");
  }
});

test("a store that is no list of secrets is refused without a word of what it holds", async () => {
  const bad = [
    "TOKEN: [hunter2hunter2]\n",
    "TOKEN: 'hunter2hunter2\n",
    "hunter2hunter2\n",
    "lower: hunter2hunter2\n",
    "PATH: hunter2hunter2\n",
    "A: &a hunter2hunter2\nB: *a\n",
    "A: hunter2hunter2\nA: hunter2hunter3\n",
  ];
  for (const text of bad) {
    writeFileSync(path, text, { mode: 0o600 });
    const error = await refusal(readStore(path));
    expect(error.code).toBe("secret.store_invalid");
    expect(JSON.stringify([error.message, error.hint, error.data, error.cause])).not.toMatch(
      /hunter/,
    );
  }
});

test("a store does not grow beyond what is read again", async () => {
  const most = Math.ceil(STORE_BYTES_MAX / (64 * 1024));
  const fill = async () => {
    for (let index = 0; index <= most; index++) await keep(`S${index}`, "x".repeat(64 * 1024));
  };
  expect((await refusal(fill())).code).toBe("secret.store_full");
  expect((await readStore(path)).size).toBeLessThanOrEqual(most);
});
