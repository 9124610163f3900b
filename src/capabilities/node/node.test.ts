import { expect, test } from "bun:test";
import { fakeCaller, resourceOf } from "../../../test/fake_call.ts";
import type { PeerInfo } from "../../contract/services.ts";
import { nodeCapability } from "./capability.ts";

const gpu: PeerInfo = {
  name: "gpu",
  key: "ed25519:abc",
  endpoint: undefined,
  labels: { role: "gpu" },
  state: "idle",
};

test("node.list shows every known node", async () => {
  const call = fakeCaller(nodeCapability, { services: { peers: { list: () => [gpu] } } });
  const { key, labels, name, state } = gpu;
  expect((await call("list")).output).toEqual({ nodes: [{ key, labels, name, state }] });
});

test("node.ping gives least, median, 99th percentile and most of its round trips", async () => {
  const ping = async (_name: string, count: number) => ({
    round_trips_us: [900, 100, 300, 200].slice(0, count),
    clock_offset_ms: -3,
    version: "1.0.0",
  });
  const call = fakeCaller(nodeCapability, { services: { peers: { ping } } });
  expect((await call("ping", { node: "gpu", count: 4 })).output).toMatchObject({ median_us: 250 });
  expect((await call("ping", { node: "gpu" })).output).toMatchObject({ median_us: 300 });
  expect((await call("ping", { node: "gpu", count: 1 })).output).toMatchObject({
    min_us: 900,
    median_us: 900,
    p99_us: 900,
    max_us: 900,
  });
  const times = Array.from({ length: 200 }, (_, index) => (index + 1) * 10);
  const many = async () => ({ ...(await ping("", 0)), round_trips_us: times.toReversed() });
  const long = fakeCaller(nodeCapability, { services: { peers: { ping: many } } });
  expect((await long("ping", { node: "gpu", count: 200 })).output).toMatchObject({
    min_us: 10,
    median_us: 1005,
    p99_us: 1980,
    max_us: 2000,
  });
});

test("node.redeem pins the key that signed the call, whatever the caller says", async () => {
  const seen: unknown[] = [];
  const redeem = async (...all: unknown[]) => {
    seen.push(...all);
    return { node_id: "here", roles: ["operator"] };
  };
  const options = { services: { peers: { redeem } }, principalId: "ed25519:signer" };
  await fakeCaller(nodeCapability, options)("redeem", { proof: "p", name: "laptop" });
  expect(seen).toEqual(["p", { key: "ed25519:signer", name: "laptop", endpoint: undefined }]);
  const { redeem: operation } = nodeCapability.operations;
  expect(operation.input.safeParse({ proof: "p", key: "ed25519:other" }).success).toBeFalse();
  expect(operation.input.safeParse({ proof: "p", roles: ["root"] }).success).toBeFalse();
  expect(operation.cli.hidden).toBeTrue();
});

test("node.forget reports a node that is not known", async () => {
  const forget = async (name: string) => (name === "gone" ? "unknown" : "configured");
  const call = fakeCaller(nodeCapability, { services: { peers: { forget } } });
  await expect(call("forget", { node: "gone" })).rejects.toMatchObject({ code: "node.unknown" });
  const configured = call("forget", { node: "gpu" });
  await expect(configured).rejects.toMatchObject({ code: "node.configured" });
});

test("node operations refuse names and addresses that are none", () => {
  const { resolve, invite, ping } = nodeCapability.operations;
  for (const node of ["", "../x", "a b", "-rf", "x".repeat(65), "a\n", "*"]) {
    expect(resolve.input.safeParse({ node }).success).toBeFalse();
  }
  for (const wrong of [{ roles: [] }, { roles: ["a"], expires_secs: 0 }, {}]) {
    expect(invite.input.safeParse(wrong).success).toBeFalse();
  }
  const endpoint = "http://example.org";
  expect(invite.input.safeParse({ roles: ["a"], endpoint }).success).toBeFalse();
  expect(ping.input.safeParse({ node: "a", count: 1_000_000 }).success).toBeFalse();
});

test("node resources name the node that is touched", () => {
  expect(resourceOf(nodeCapability, "ping", { node: "gpu" })).toBe("node:gpu");
  expect(resourceOf(nodeCapability, "info")).toBe("node:here");
  expect(resourceOf(nodeCapability, "invite", { roles: ["a"] })).toBe("node:invite");
});
