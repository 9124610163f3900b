import { expect, test } from "bun:test";
import { ManualClock } from "../../../test/clock.ts";
import { Directory } from "./directory.ts";
import { Guard } from "./guard.ts";
import { type ServiceSettings, settings } from "./settings.ts";

function guarded(options: { idleTimeoutSecs?: number } = {}) {
  const configured = { services: settings.parse([{ id: "a", host: "h", port: 1 }]) };
  const clock = new ManualClock();
  const cuts: string[] = [];
  const guard = new Guard(configured.services[0] as ServiceSettings, {
    directory: new Directory({ of: () => configured.services }),
    clock,
    idleTimeoutSecs: options.idleTimeoutSecs,
    cut: (reason) => cuts.push(reason),
  });
  return { configured, clock, cuts, guard };
}

test("a guard cuts once what moved nothing for its time, counted from the last movement", async () => {
  const { clock, cuts, guard } = guarded({ idleTimeoutSecs: 10 });
  await clock.advance(9_000);
  guard.touch();
  await clock.advance(9_500);
  expect(cuts).toEqual([]);
  await clock.advance(1_000);
  expect(cuts).toEqual(["idle"]);
  await clock.advance(60_000);
  expect(cuts).toEqual(["idle"]);
});

test("a guard never cuts what has no idle time", async () => {
  const { clock, cuts } = guarded();
  await clock.advance(24 * 60 * 60 * 1000);
  expect(cuts).toEqual([]);
});

test("a guard cuts within half a second when the service leaves the configuration or leads elsewhere", async () => {
  for (const services of [
    [],
    [{ id: "a", host: "h", port: 2 }],
    [{ id: "a", published_by: ["x"] }],
  ]) {
    const { configured, clock, cuts } = guarded();
    configured.services = settings.parse(services);
    await clock.advance(500);
    expect(cuts).toEqual(["withdrawn"]);
  }
});

test("a guard lets a service be configured anew as it was", async () => {
  const { configured, clock, cuts } = guarded();
  configured.services = settings.parse([{ id: "a", host: "h", port: 1, description: "new" }]);
  await clock.advance(10_000);
  expect(cuts).toEqual([]);
});

test("a disposed guard cuts nothing", async () => {
  const { clock, cuts, guard } = guarded({ idleTimeoutSecs: 1 });
  guard[Symbol.dispose]();
  await clock.advance(10_000);
  expect(cuts).toEqual([]);
});
