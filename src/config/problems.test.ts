import { expect, test } from "bun:test";
import { failureOf, parse, SOME_KEY } from "./config.fixture.ts";

async function messageOf(text: string): Promise<string> {
  return (await failureOf(() => parse(text))).message;
}

test("an unknown key names its path, its line and the nearest valid name", async () => {
  expect(await messageOf("version: 1\n\npolicy:\n  principls: {}\n")).toBe(
    "policy.principls: unknown key at config.yaml:4, did you mean principals?",
  );
  expect(await messageOf("version: 1\ndeamon: {}\n")).toBe(
    "deamon: unknown key at config.yaml:2, did you mean daemon?",
  );
});

test("an unknown key inside a capability's section is compared with that section's keys", async () => {
  expect(await messageOf("version: 1\npolicy:\n  tool:\n    env: { alow: [] }\n")).toBe(
    "policy.tool.env.alow: unknown key at config.yaml:4, did you mean allow?",
  );
});

test("an unknown key that resembles nothing lists what there is", async () => {
  expect(await messageOf("version: 1\npolicy: { services: [] }\n")).toContain(
    "known here: tool, mounts, principals, roles",
  );
});

test("an unknown key comes before the missing one it explains", async () => {
  const text = `version: 1\npolicy: { principals: { a: { key: "${SOME_KEY}", role: [] } } }\n`;
  expect(await messageOf(text)).toBe(
    "policy.principals.a.role: unknown key at config.yaml:2, did you mean roles? (and 1 more)",
  );
});

test("a key that schemas skip silently is refused", async () => {
  for (const place of ["", "policy:\n  ", "policy:\n  principals:\n    "]) {
    const error = await failureOf(() => parse(`version: 1\n${place}__proto__: { a: 1 }\n`));
    expect(error.code).toBe("config.yaml_invalid");
    expect(error.message).toMatch(/^config\.yaml:\d .*__proto__/);
  }
});

test("every problem is listed with its line", async () => {
  const text = "version: 2\ndaemon:\n  node_id: Bad Name\n  listen: nowhere\n";
  const { data } = await failureOf(() => parse(text));
  const problems = data?.problems as { path: string; line: number }[];
  expect(problems.map(({ path, line }) => [path, line])).toEqual([
    ["version", 1],
    ["daemon.node_id", 3],
    ["daemon.listen", 4],
  ]);
});

test("another version of the format says what to do", async () => {
  expect(await messageOf("version: 2\n")).toContain("write version: 1, or update operon");
});

test("a value is never repeated, as it may be a secret in the wrong place", async () => {
  const secret = "hunter2-hunter2";
  for (const text of [
    `version: ${secret}`,
    `version: 1\ndaemon: ${secret}`,
    `version: 1\ndaemon: { node_id: a, listen: ${secret} }`,
    `version: 1\nclient: { nodes: { a: { endpoint: "ws://u:${secret}@h:1" } } }`,
    `version: 1\nclient: { nodes: { a: { endpoint: "ws://h:1", key: "${secret}" } } }`,
  ]) {
    const error = await failureOf(() => parse(text));
    expect(JSON.stringify(error.toDocument())).not.toContain(secret);
  }
});

test("attack 27: control characters of a key do not reach the message", async () => {
  const message = await messageOf('version: 1\n"a\\e[2J\\u202eb": 1\n');
  expect(message).not.toMatch(/[^\x20-\x7e]/);
});

test("addresses, endpoints and origins that mean more than they say are refused", async () => {
  for (const daemon of [
    'listen: "user@host:1"',
    'listen: "host:99999"',
    'listen: "host"',
    'listen: "127.1:80"',
    'listen: "a:1/path"',
    'endpoint: "http://a:1"',
    'endpoint: "ws://user:pw@a:1"',
    'endpoint: "ws://a:1/?x=1"',
    'allow_origins: ["*"]',
    'allow_origins: ["https://*.example"]',
    'allow_origins: ["null"]',
    'allow_origins: ["https://a.example/path"]',
    "advertise_lan: yes please",
    "audit: { reads: sometimes }",
  ]) {
    const error = await failureOf(() => parse(`version: 1\ndaemon: { node_id: a, ${daemon} }`));
    expect(error.code).toBe("config.invalid");
  }
});

test("a client node may not take the name of the own node", async () => {
  const text = 'version: 1\nclient: { nodes: { local: { endpoint: "ws://a:1" } } }';
  expect(await messageOf(text)).toContain("`local` always means the own node");
});
