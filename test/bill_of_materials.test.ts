// The bill of materials of a release: the product's, whatever the folder its sources are in is called.

import { afterAll, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const root = dirname(import.meta.dir);
const folder = mkdtempSync(join(tmpdir(), "operon-bill-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const script = `
const { billOfMaterials } = await import(process.argv[1]);
process.stdout.write(billOfMaterials(process.argv[2]));`;

/** Of sources in a folder of this name. */
function billIn(name: string): string {
  const copy = join(folder, name);
  mkdirSync(copy);
  for (const file of ["package.json", "package-lock.json"])
    copyFileSync(join(root, file), join(copy, file));
  const words = [join(root, "scripts/bill_of_materials.mjs"), copy];
  const { stdout, stderr, exitCode } = Bun.spawnSync([
    ...["node", "--input-type=module", "-e", script, "--"],
    ...words,
  ]);
  expect(exitCode, stderr.toString()).toBe(0);
  return stdout.toString();
}

test("the bill of materials is the same in every folder, at any time, and names the product", () => {
  const text = billIn("one");
  expect(billIn("another")).toBe(text);
  const { metadata, components, serialNumber } = JSON.parse(text);
  expect(metadata.component).toMatchObject({ name: "operon", type: "application" });
  expect(metadata.component.purl).toStartWith("pkg:npm/operon@");
  expect([serialNumber, metadata.timestamp, metadata.tools]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  const names = components.map(({ name }: { name: string }) => name);
  expect(names).toContain("zod");
  expect(names).toContain("bun");
  expect(names).not.toContain("typescript");
}, 60_000);
