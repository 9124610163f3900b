// Small calls over a warm session (signed, authorized, audited) against a bare WebSocket echo and grpc-js.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Driver, startDriver } from "./driver.ts";
import { type Contender, type Figure, interleave, Missing, perSecond, type Row } from "./row.ts";
import { startServer } from "./server.ts";
import type { Site } from "./site.ts";

const ALONE = { in_flight: 1, calls: 2000 };
const TOGETHER = { in_flight: 64, calls: 20_000 };

/** The row `stat`. */
export const stat: Row = {
  id: "stat",
  async measure(site) {
    const { b, c } = await site.mesh();
    writeFileSync(join(b.workspace, "small.txt"), "small\n");
    const operon = await startDriver(site, {
      file: "operon_calls.ts",
      args: [],
      home: c.home.path,
    });
    const drivers = new Map([
      ["operon", operon],
      ["echo", await startEcho(site)],
    ]);
    const why = await startGrpc(site).then(
      (grpc) => void drivers.set("grpc", grpc),
      (error: Error) => error.message,
    );
    const contenders = [...drivers].flatMap(([name, driver]) => samples(name, driver));
    return figures(await interleave(contenders, site.rounds(7)), why);
  },
};

function samples(name: string, driver: Driver): Contender[] {
  return [
    {
      name: `${name} p50`,
      sample: async () => (await driver.order(ALONE)).p50_us ?? Number.NaN,
    },
    {
      name: `${name} rate`,
      sample: async () => (await driver.order(TOGETHER)).rate ?? Number.NaN,
    },
  ];
}

function figures(of: (name: string) => number, why: string | undefined): Figure[] {
  const rate = (peer: string, against: string, least: number): Figure => ({
    what: "fs.stat, 64 in flight",
    against,
    ours: perSecond(of("operon rate")),
    theirs: perSecond(of(`${peer} rate`)),
    ratio: of("operon rate") / of(`${peer} rate`),
    reach: { least },
  });
  return [
    {
      what: "fs.stat, 1 in flight, p50",
      against: "bare WebSocket echo",
      ours: `${of("operon p50").toFixed(0)} µs`,
      theirs: `${of("echo p50").toFixed(0)} µs`,
      ratio: of("operon p50") / of("echo p50"),
      reach: { most: 4 },
    },
    rate("echo", "bare WebSocket echo", 0.35),
    { ...rate("grpc", "grpc-js, TLS", 5), ...(why === undefined ? {} : { skipped: why }) },
  ];
}

async function startEcho(site: Site): Promise<Driver> {
  const port = await startServer(site, { file: "echo_server.ts", args: [] });
  return startDriver(site, { file: "echo_calls.ts", args: [String(port)] });
}

/** gRPC with TLS, as nodes talk encrypted too; in Node, which is what grpc-js is written for. */
async function startGrpc(site: Site): Promise<Driver> {
  const runtime = process.env.BENCH_NODE ?? site.program("node");
  const openssl = site.program("openssl");
  const folder = site.newFolder("grpc");
  const key = join(folder, "key.pem");
  const certificate = join(folder, "certificate.pem");
  const made = Bun.spawnSync([
    ...[openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
    ...["-nodes", "-days", "2", "-subj", "/CN=localhost"],
    ...["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
  ]);
  if (!made.success) throw new Missing("openssl made no certificate");
  const port = await startServer(site, {
    file: "grpc_server.mjs",
    args: [certificate, key],
    runtime,
  });
  return startDriver(site, {
    file: "grpc_calls.mjs",
    args: [String(port), certificate],
    runtime,
  });
}
