import { describe, expect, test } from "bun:test";
import { checkContainment, noteMountRuntime, type TriedConfinement } from "./runtime_checks.ts";

const everything: TriedConfinement = {
  can_restrict: true,
  protection: "namespace",
  landlock_version: 6,
  groups: [{ version: 2, controllers: ["memory", "pids"] }],
};
const user = { platform: "linux", isRoot: false };

function found(tried: Partial<TriedConfinement>, options: object = {}) {
  const [sandbox, cgroups] = checkContainment({ ...everything, ...tried }, { ...user, ...options });
  return { sandbox, cgroups };
}

describe("checkContainment()", () => {
  test("says by what commands are kept from the node's own files, as their results do", () => {
    const { sandbox } = found({});
    expect(sandbox).toMatchObject({ check: "sandbox", status: "ok" });
    expect(sandbox?.what).toContain("protection namespace");
    expect(found({ protection: "landlock" }).sandbox?.what).toContain("protection landlock");
  });

  test("notes as root what no protection stops", () => {
    const { sandbox } = found({}, { isRoot: true });
    expect(sandbox).toMatchObject({ status: "note", fix: "Run the daemon as a user of its own" });
    expect(sandbox?.what).toContain("protection namespace");
  });

  test("tells a kernel without Landlock from one where it cannot be put on", () => {
    const without = found({ protection: "none", landlock_version: 0 }).sandbox;
    expect(without).toMatchObject({ status: "note" });
    expect(without?.fix).toContain("lsm=landlock");
    const refused = found({ protection: "none" }).sandbox;
    expect(refused?.what).toContain("could not be put on");
    expect(refused?.fix).not.toContain("lsm=landlock");
  });

  test("promises no protection where policy has it off", () => {
    const { sandbox } = found({}, { protect: "off" });
    expect(sandbox).toMatchObject({ status: "note" });
    expect(sandbox?.what).toContain("policy.exec.protect is off");
  });

  test("calls it a problem when commands cannot be restricted at all", () => {
    expect(found({ can_restrict: false, protection: "none" }).sandbox?.status).toBe("problem");
  });

  test("takes control groups of either version, each controller of its own", () => {
    expect(found({}).cgroups).toMatchObject({ check: "cgroups", status: "ok" });
    const first = [
      { version: 1, controllers: ["pids"] },
      { version: 1, controllers: ["memory"] },
    ] as const;
    const { cgroups } = found({ groups: first });
    expect(cgroups?.status).toBe("ok");
    expect(cgroups?.what).toContain("version 1: memory, pids");
  });

  test("says what a limit is worth where no group can be made for it", () => {
    const none = found({ groups: [] }).cgroups;
    expect(none?.status).toBe("note");
    expect(none?.what).toMatch(/memory holds for each process alone, and .*processes is not/);
    const { cgroups } = found({ groups: [{ version: 1, controllers: ["memory"] }] });
    expect(cgroups?.what).toContain("with pids (only of version 1: memory)");
    expect(cgroups?.what).not.toContain("each process alone");
  });

  test("claims nothing on other systems", () => {
    const findings = checkContainment(everything, { platform: "darwin", isRoot: false });
    expect(findings.map(({ status }) => status)).toEqual(["note"]);
  });
});

test("noteMountRuntime() makes no problem of what only mounting needs", () => {
  for (const { check, status } of noteMountRuntime()) {
    expect(check).toBe("mount runtime");
    expect(status).not.toBe("problem");
  }
});
