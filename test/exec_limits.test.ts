// What a node's policy bounds stays bounded when everything is asked for at once.

import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { sessionSettings } from "../src/capabilities/exec/session/operations.ts";
import { TestHome, TestNode } from "./harness/mesh.ts";

const AT_ONCE = 6;

/** A node with more settings of `exec`. */
function nodeWith(settings: string): Promise<TestNode> {
  const home = new TestHome({ name: "here" });
  const { config_path } = home.home;
  const text = readFileSync(config_path, "utf8");
  writeFileSync(config_path, text.replace("exec: {", `exec: { ${settings},`));
  return TestNode.start(home);
}

test("jobs that are started at once do not exceed the jobs a node keeps", async () => {
  await using node = await nodeWith("jobs: { max: 2 }");
  const starts = Array.from({ length: AT_ONCE }, () =>
    node.call("local", "exec.start", { command: "sleep 60" }),
  );
  const errors = (await Promise.all(starts)).map(({ error }) => error?.code);
  const { output } = await node.call("local", "exec.list", {});
  const { jobs } = output as { jobs: { id: string }[] };
  for (const { id } of jobs) await node.call("local", "exec.cancel", { id });
  expect(jobs.length).toBeLessThanOrEqual(2);
  expect(errors.filter((code) => code === "exec.jobs_full").length).toBe(AT_ONCE - jobs.length);
}, 60_000);

test("sessions that are opened at once do not exceed those a node holds", async () => {
  await using node = await nodeWith("session: { running_max: 2 }");
  await using caller = await node.caller();
  const leaving = new AbortController();
  const opened = Array.from({ length: AT_ONCE }, () => {
    const input = { command: "sleep 60", ephemeral: true };
    const call = caller.call("local", "exec.session", input, { signal: leaving.signal });
    const started = call.chunks[Symbol.asyncIterator]().next();
    const refused = call.output.catch((error: { code: string }) => error.code);
    return {
      refused,
      outcome: started.then(
        () => "opened",
        () => refused,
      ),
    };
  });
  const outcomes = await Promise.all(opened.map(({ outcome }) => outcome));
  leaving.abort();
  await Promise.all(opened.map(({ refused }) => refused));
  expect(outcomes.filter((outcome) => outcome === "opened").length).toBe(2);
  expect(outcomes.filter((outcome) => outcome === "exec.busy").length).toBe(AT_ONCE - 2);
}, 60_000);

test("a session is given no more time than a timer holds", () => {
  const days = (count: number) => ({ max_secs: count * 24 * 60 * 60 });
  expect(sessionSettings.safeParse(days(24)).success).toBeTrue();
  expect(sessionSettings.safeParse(days(25)).success).toBeFalse();
});
