import { expect, test } from "bun:test";
import { parse, SOME_KEY } from "./config.fixture.ts";
import { configTemplate, type TemplateParts } from "./template.ts";

const parts: TemplateParts = {
  role: "both",
  nodeId: "here",
  listen: "127.0.0.1:7789",
  workspace: "/srv/work",
  key: SOME_KEY,
  operations: [
    { id: "tool.look", effect: "read" },
    { id: "tool.change", effect: "write" },
    { id: "other.remove", effect: "destroy" },
  ],
  schemaFile: "config.schema.json",
};

test("configTemplate() lets the own key alone do anything", async () => {
  const { config } = await parse(configTemplate(parts));
  expect(config.policy?.principals).toEqual({ here: { key: SOME_KEY, roles: ["operator"] } });
  expect(config.policy?.roles.operator?.[0]?.allow).toEqual(["tool.*", "other.*"]);
});

test("configTemplate() lets an observer read and nothing else", async () => {
  const { config } = await parse(configTemplate(parts));
  expect(config.policy?.roles.observer).toEqual([{ allow: ["tool.look"] }]);
});

test("configTemplate() gives nobody secrets, and shows the operator's rule for one", async () => {
  const ids = ["list", "check", "set", "remove", "use"];
  const operations = [
    ...parts.operations,
    ...ids.map((name) => ({ id: `secret.${name}`, effect: "read" })),
  ];
  const text = configTemplate({ ...parts, operations });
  const roles = async (from: string) => (await parse(from)).config.policy?.roles;
  const given = ["secret.list", "secret.check", "secret.set", "secret.remove"];
  expect((await roles(text))?.operator).toEqual([{ allow: ["tool.*", "other.*", ...given] }]);
  expect(JSON.stringify(await roles(text))).not.toContain("secret.use");
  const uncommented = text.replace(/# (- allow: \[secret\.use\]\n +)# {3}/, "$1  ");
  expect((await roles(uncommented))?.operator?.[1]).toEqual({
    allow: ["secret.use"],
    on: ["secret:DEPLOY_TOKEN"],
  });
});

test("configTemplate() has no principals without a key", async () => {
  const { key: _key, ...rest } = parts;
  expect((await parse(configTemplate(rest))).config.policy?.principals).toEqual({});
});

test("configTemplate() gives a client no port, mounts and commands, a daemon no client", async () => {
  const operations = [...parts.operations, { id: "node.join", effect: "write" }];
  const text = configTemplate({ ...parts, operations, role: "client" });
  const client = (await parse(text)).config;
  expect(Object.keys(client)).toEqual(["version", "daemon", "client", "policy"]);
  expect(client.daemon?.listen).toBeUndefined();
  expect(client.policy?.mounts).toEqual([]);
  expect(client.policy?.roles).toEqual({ operator: [{ allow: ["node.*"] }] });
  const daemon = (await parse(configTemplate({ ...parts, role: "daemon" }))).config;
  expect(Object.keys(daemon)).toEqual(["version", "daemon", "policy"]);
});

test("configTemplate() keeps names and paths that YAML would read as something else", async () => {
  for (const nodeId of ["123", "true", "null", "0x1f", "1e3", "1.5", "no"]) {
    const { config } = await parse(configTemplate({ ...parts, nodeId }));
    expect(config.daemon?.node_id).toBe(nodeId);
    expect(Object.keys(config.policy?.principals ?? {})).toEqual([nodeId]);
  }
  for (const workspace of [
    "/a b",
    "/a: b",
    "/#x",
    "/ü",
    '/"x"',
    "/{x}",
    "/a\\b",
    "/a\nprincipals: {}",
  ]) {
    const { config } = await parse(configTemplate({ ...parts, workspace }));
    expect(config.policy?.mounts[0]?.path).toBe(workspace);
  }
});

test("configTemplate() names the schema for editors in its first line", () => {
  const [first] = configTemplate(parts).split("\n");
  expect(first).toBe("# yaml-language-server: $schema=./config.schema.json");
});
