// What forwarded ports carry: TCP against ssh -L, connections and datagrams against bare relays.

import type { Subprocess } from "bun";
import { freePort } from "../../test/harness/free_port.ts";
import { type Driver, startDriver } from "./driver.ts";
import { environment, startMesh } from "./mesh.ts";
import {
  type Contender,
  type Figure,
  gigabytes,
  interleave,
  Missing,
  perSecond,
  type Row,
} from "./row.ts";
import { startServer } from "./server.ts";
import type { Site } from "./site.ts";

const DOWNLOAD = { calls: 1, in_flight: 1, bytes: 512 * 1024 * 1024 };
const CONNECTIONS = { calls: 500, in_flight: 8, bytes: 1 };
const DATAGRAM_ALONE = { calls: 1000, in_flight: 1 };
const DATAGRAMS = { calls: 10_000, in_flight: 32 };

/** The row `forward`. */
export const forward: Row = {
  id: "forward",
  async measure(site) {
    const tcp = await startServer(site, { file: "tcp_server.ts", args: [] });
    const udp = await startServer(site, { file: "udp_echo.ts", args: [] });
    const { a, b } = await startMesh(site, "forward-mesh", {
      services: [
        { id: "bytes", port: tcp, protocol: "tcp" },
        { id: "echo", port: udp, protocol: "udp" },
      ],
    });
    const home = a.home.path;
    const bytesPort = await startForward(site, ["forward", "b", "bytes"], home);
    const echoPort = await startForward(site, ["forward-udp", "b", "echo"], home);
    const relayPort = await startServer(site, { file: "udp_relay.ts", args: [String(udp)] });
    const contenders = [
      ...(await tcpContenders(site, "operon", bytesPort)),
      await connections(site, "relay", await startTcpRelays(site, tcp)),
      ...(await udpContenders(site, "operon", echoPort)),
      ...(await udpContenders(site, "relay", relayPort)),
    ];
    const why = await startSshForward(site, tcp).then(
      async (port) => void contenders.push(...(await tcpContenders(site, "ssh", port))),
      (error) => {
        if (error instanceof Missing) return error.message;
        throw error;
      },
    );
    const of = await interleave(contenders, site.rounds(5));
    for (const { daemon } of [a, b]) daemon?.kill();
    return figures(of, why);
  },
};

function figures(of: (name: string) => number, why: string | undefined): Figure[] {
  const pair = (peer: string, name: string) => ({
    ratio: of(`operon ${name}`) / of(`${peer} ${name}`),
    ...(why === undefined || peer !== "ssh" ? {} : { skipped: why }),
  });
  return [
    {
      what: "service forward, 512 MiB",
      against: "ssh -L",
      ours: gigabytes(of("operon download")),
      theirs: gigabytes(of("ssh download")),
      reach: { least: 1.5 },
      ...pair("ssh", "download"),
    },
    {
      what: "service forward, connections",
      against: "ssh -L",
      ours: perSecond(of("operon connections")),
      theirs: perSecond(of("ssh connections")),
      reach: { least: 1.5 },
      ...pair("ssh", "connections"),
    },
    {
      what: "service forward, connections",
      against: "two bare TCP relays",
      ours: perSecond(of("operon connections")),
      theirs: perSecond(of("relay connections")),
      reach: {},
      ...pair("relay", "connections"),
    },
    {
      what: "service forward-udp echo, p50",
      against: "bare UDP relay",
      ours: `${of("operon datagram").toFixed(0)} µs`,
      theirs: `${of("relay datagram").toFixed(0)} µs`,
      reach: {},
      ...pair("relay", "datagram"),
    },
    {
      what: "service forward-udp echo, 32 in flight",
      against: "bare UDP relay",
      ours: perSecond(of("operon datagrams")),
      theirs: perSecond(of("relay datagrams")),
      reach: {},
      ...pair("relay", "datagrams"),
    },
  ];
}

async function tcpContenders(site: Site, name: string, port: number): Promise<Contender[]> {
  const driver = await startDriver(site, { file: "tcp_calls.ts", args: [String(port)] });
  return [
    {
      name: `${name} download`,
      async sample() {
        const { elapsed_ms = Number.NaN } = await driver.order(DOWNLOAD);
        return DOWNLOAD.bytes / (elapsed_ms / 1000);
      },
    },
    connectionsBy(driver, name),
  ];
}

async function connections(site: Site, name: string, port: number): Promise<Contender> {
  const driver = await startDriver(site, { file: "tcp_calls.ts", args: [String(port)] });
  return connectionsBy(driver, name);
}

function connectionsBy(driver: Driver, name: string): Contender {
  return {
    name: `${name} connections`,
    sample: async () => (await driver.order(CONNECTIONS)).rate ?? Number.NaN,
  };
}

/** One behind the other, as a forward has an end on either node. */
async function startTcpRelays(site: Site, target: number): Promise<number> {
  const inner = await startServer(site, { file: "tcp_relay.ts", args: [String(target)] });
  return await startServer(site, { file: "tcp_relay.ts", args: [String(inner)] });
}

async function udpContenders(site: Site, name: string, port: number): Promise<Contender[]> {
  const driver = await startDriver(site, { file: "udp_calls.ts", args: [String(port)] });
  return [
    {
      name: `${name} datagram`,
      sample: async () => (await driver.order(DATAGRAM_ALONE)).p50_us ?? Number.NaN,
    },
    {
      name: `${name} datagrams`,
      sample: async () => (await driver.order(DATAGRAMS)).rate ?? Number.NaN,
    },
  ];
}

/** Starts `operon service ...` and gives the port it listens on. */
async function startForward(site: Site, argv: readonly string[], home: string): Promise<number> {
  const child = site.track(
    Bun.spawn([site.operon, "service", ...argv], {
      env: environment(home),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    }),
  );
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of child.stdout) {
    text += decoder.decode(bytes, { stream: true });
    const port = /127\.0\.0\.1:(\d+)\D/.exec(text)?.[1];
    if (port !== undefined) return Number(port);
  }
  throw new Error(`operon service ${argv.join(" ")} ended: ${text}`);
}

/** @throws Missing */
async function startSshForward(site: Site, target: number): Promise<number> {
  const { config, fresh } = await site.sshd();
  const port = freePort();
  const way = `127.0.0.1:${port}:127.0.0.1:${target}`;
  const child: Subprocess = site.track(
    Bun.spawn([site.program("ssh"), "-F", config, "-N", "-L", way, fresh], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    }),
  );
  while (child.exitCode === null) {
    if (await answers(port)) return port;
    await Bun.sleep(50);
  }
  throw new Missing("ssh -L ended");
}

async function answers(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: { data() {} },
    });
    socket.end();
    return true;
  } catch {
    return false;
  }
}
