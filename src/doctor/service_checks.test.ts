import { describe, expect, test } from "bun:test";
import { OperonError } from "../error.ts";
import { checkServices, type ListedService, type TriedService } from "./service_checks.ts";

const web: ListedService = { id: "web", target: "127.0.0.1:80", available: true };
const denied = new OperonError({
  code: "policy.denied",
  kind: "permission_denied",
  message: "No rule allows it",
});

function check(tried: () => Promise<TriedService>, services: readonly ListedService[] = [web]) {
  return checkServices(["local", "gpu"], { list: async () => services, check: tried });
}

describe("checkServices()", () => {
  test("tells one that answers, on the own node and on another", async () => {
    expect(await check(async () => ({ state: "up" }))).toEqual([
      { check: "service web", status: "ok", what: "Answers (127.0.0.1:80)" },
      { check: "service web", node: "gpu", status: "ok", what: "Answers (127.0.0.1:80 on gpu)" },
    ]);
  });

  test("calls one that is down a problem, with why and a fix", async () => {
    const [found] = await check(async () => ({ state: "down", detail: "refused" }));
    expect(found?.status).toBe("problem");
    expect(found?.what).toContain("refused");
    expect(found?.fix).toContain("policy.services");
  });

  test("tells an answer with an error's status from none", async () => {
    const [found] = await check(async () => ({ state: "down", status: 500 }));
    expect(found).toMatchObject({
      status: "problem",
      what: "Answers with HTTP status 500 (127.0.0.1:80)",
    });
    expect(found?.fix).toContain("check_path");
  });

  test("takes a datagram service that says nothing for one that is there", async () => {
    expect((await check(async () => ({ state: "unknown" })))[0]?.status).toBe("ok");
  });

  test("does not try one that nobody offers", async () => {
    const nobody = { ...web, available: false };
    const found = await check(() => Promise.reject(new Error("tried")), [nobody]);
    expect(found.map(({ status }) => status)).toEqual(["note", "note"]);
  });

  test("notes a refusal, and warns of what could not be tried", async () => {
    expect((await check(() => Promise.reject(denied)))[0]?.status).toBe("note");
    const late = new OperonError({ code: "x.late", kind: "deadline_exceeded", message: "Late" });
    expect((await check(() => Promise.reject(late)))[0]).toMatchObject({ status: "warning" });
  });

  test("finds nothing where this caller may not ask, and goes on with the other nodes", async () => {
    const found = await checkServices(["closed", "open"], {
      list: (node) => (node === "closed" ? Promise.reject(denied) : Promise.resolve([web])),
      check: async () => ({ state: "up" }),
    });
    expect(found.map(({ node }) => node)).toEqual(["open"]);
  });

  test("tries 64 services of a node that lists without end, eight at once, in order", async () => {
    let running = 0;
    let most = 0;
    const services = Array.from({ length: 1_000 }, (_, index) => ({ ...web, id: `s${index}` }));
    const found = await checkServices(["gpu"], {
      list: async () => services,
      check: async () => {
        most = Math.max(most, ++running);
        await Promise.resolve();
        running--;
        return { state: "up" };
      },
    });
    expect(found.map(({ check }) => check)).toEqual(
      services.slice(0, 64).map(({ id }) => `service ${id}`),
    );
    expect(most).toBe(8);
  });
});
