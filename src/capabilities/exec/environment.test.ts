import { expect, test } from "bun:test";
import { buildEnvironment, callerMaySet, SEARCH_PATH_DEFAULT, searchPath } from "./environment.ts";
import { Bench } from "./exec.fixture.ts";
import { settings as schema } from "./schema.ts";

const settings = (env: object) => schema.parse({ roots: ["/"], env });

/** Variables with which a caller could make an allowed command run something else. */
const DANGEROUS = [
  ...["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "GLIBC_TUNABLES"],
  ...["BUN_OPTIONS", "BUN_BE_BUN", "OPERON_HOME", "NODE_OPTIONS", "PYTHONPATH", "PERL5OPT"],
  ...["PATH", "IFS", "BASH_ENV", "ENV", "SHELLOPTS", "PS4", "PROMPT_COMMAND", "HOME", "ZDOTDIR"],
  ...["GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "PAGER", "EDITOR", "MAKEFLAGS", "JAVA_TOOL_OPTIONS"],
  ...["ld_preload", "Path", "RUBYOPT", "GCONV_PATH", "OPENSSL_CONF", "SSL_CERT_FILE"],
];

test("attack 22: dangerous variables of the caller are refused even when policy lists them", () => {
  const allowing = settings({ allow: DANGEROUS });
  expect(DANGEROUS.filter((name) => callerMaySet(name, allowing))).toEqual([]);
});

test("attack 22: the daemon's own loader and runtime variables are never passed on", () => {
  const allowing = settings({ allow: [...DANGEROUS, "LANG"] });
  const own = Object.fromEntries([...DANGEROUS, "LANG"].map((name) => [name, "/x"]));
  const names = Object.keys(buildEnvironment(allowing, own));
  expect(names).toContain("LANG");
  expect(names.filter((name) => /^(LD_|DYLD_|BUN_|OPERON_)/i.test(name))).toEqual([]);
});

test("attack 22: what a caller may not set is left out, even where nobody refused it", () => {
  const allowing = settings({ allow: [...DANGEROUS, "OK"] });
  const asked = Object.fromEntries([...DANGEROUS, "OK", "NOT_LISTED"].map((name) => [name, "/x"]));
  expect(Object.entries(buildEnvironment(allowing, {}, asked))).toEqual([
    ["PATH", SEARCH_PATH_DEFAULT.join(":")],
    ["OK", "/x"],
  ]);
});

test("attack 22: a call that sets one fails by name before anything runs", async () => {
  using bench = new Bench({ roots: ["/"], env: { allow: ["LD_PRELOAD", "OK"] } });
  for (const name of ["LD_PRELOAD", "NOT_LISTED"]) {
    const call = bench.run({ argv: ["touch", "ran"], env: { OK: "1", [name]: "x" } });
    expect(call).rejects.toMatchObject({ code: "exec.env_denied", data: { name } });
  }
  expect((await bench.run({ argv: ["ls"] })).text).toBe("");
});

test("attack 22: the caller's values never reach facts, which are audited", () => {
  using bench = new Bench({ roots: ["/"], env: { allow: ["TOKEN"] } });
  const facts = bench.facts({ argv: ["ls"], env: { TOKEN: "s3cret" } });
  expect(facts.env_names).toEqual(["TOKEN"]);
  expect(JSON.stringify(facts)).not.toContain("s3cret");
});

test("attack 22: a command sees exactly the variables policy names", async () => {
  using bench = new Bench({
    roots: ["/"],
    path: ["/usr/bin", "/bin"],
    env: { allow: ["FROM_CALLER", "LANG"], set: { FIXED: "a b" } },
  });
  process.env.LANG = "C.UTF-8";
  process.env.OPERON_SECRET = "no";
  const { text } = await bench.run({ argv: ["env"], env: { FROM_CALLER: "1" } });
  delete process.env.OPERON_SECRET;
  expect(text.trim().split("\n").sort()).toEqual(
    ["PATH=/usr/bin:/bin", "FIXED=a b", "FROM_CALLER=1", "LANG=C.UTF-8"].sort(),
  );
});

test("searchPath() takes policy's folders, else the daemon's absolute ones, else the standard ones", () => {
  const listed = schema.parse({ roots: ["/"], path: ["/opt/bin"] });
  expect(searchPath(listed, { PATH: "/evil" })).toEqual(["/opt/bin"]);
  const open = settings({ allow: ["PATH"] });
  expect(searchPath(open, { PATH: "/a:relative::.:/b" })).toEqual(["/a", "/b"]);
  expect(searchPath(open, { PATH: "relative" })).toEqual(SEARCH_PATH_DEFAULT);
  expect(searchPath(settings({}), { PATH: "/a" })).toEqual(SEARCH_PATH_DEFAULT);
});

test("settings refuse unknown keys, relative paths and bad names", () => {
  for (const wrong of [
    { root: ["/"] },
    { roots: ["ci"] },
    { path: ["bin"] },
    { path: [] },
    { shell: "sh" },
    { env: { allow: ["A=B"] } },
    { env: { set: { "A B": "x" } } },
    { env: { set: { A: "x\0y" } } },
    { default_timeout_secs: 0 },
  ]) {
    expect(schema.safeParse(wrong).success).toBeFalse();
  }
});
