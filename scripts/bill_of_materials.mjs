// What the executable is made of, as CycloneDX (https://cyclonedx.org): every package of the lock file that goes into it, and Bun.
// The same sources give the same bytes: nothing in it comes from the folder they are in, the moment, chance, or npm's own version.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The document for the sources in a folder, as text. */
export function billOfMaterials(folder) {
  const read = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
  const { name } = read("package.json");
  const runtimeVersion = read("package-lock.json").packages["node_modules/bun"].version;
  const { serialNumber: _serial, ...document } = JSON.parse(npmBill(folder));
  const { timestamp: _time, tools: _tools, ...metadata } = document.metadata;
  // npm has the folder's name there.
  const component = { ...metadata.component, type: "application", name };
  const components = [
    ...document.components,
    {
      "bom-ref": `bun@${runtimeVersion}`,
      type: "platform",
      name: "bun",
      version: runtimeVersion,
      purl: `pkg:npm/bun@${runtimeVersion}`,
    },
  ];
  const bill = { ...document, metadata: { ...metadata, component }, components };
  return `${JSON.stringify(bill, null, 2)}\n`;
}

function npmBill(folder) {
  const words = ["sbom", "--sbom-format", "cyclonedx", "--omit", "dev", "--package-lock-only"];
  return execFileSync("npm", words, {
    cwd: folder,
    encoding: "utf8",
    maxBuffer: 64 * 1024 ** 2,
    stdio: ["ignore", "pipe", "ignore"],
  });
}
