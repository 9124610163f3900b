// A command that stays, run in this process over real nodes: waits for its first lines, ends it as Ctrl-C does.
import { builtin } from "../../src/builtin.ts";
import { systemClock } from "../../src/clock.ts";
import { Registry } from "../../src/contract/registry.ts";
import { connectLocal } from "../../src/node/local_caller.ts";
import { ReconnectingCaller } from "../../src/sdk/reconnecting_caller.ts";
import { runCli } from "../../src/surface/cli/cli.ts";
import type { Output } from "../../src/surface/cli/stdio.ts";
import { type TestNode, until } from "./mesh.ts";

const capabilities = new Registry(Object.values(builtin)).describe();

/** A command line under way. */
export class StayingCommand implements AsyncDisposable {
  readonly stdout = new Gathered();
  readonly stderr = new Gathered();
  readonly exitCode: Promise<number>;
  readonly #ending = new AbortController();

  /** @param node whose home calls; its daemon may be stopped and started again */
  constructor(node: TestNode, ...argv: readonly string[]) {
    const connect = () =>
      connectLocal({
        socketPath: node.test.home.socket_path,
        clock: systemClock,
        software: "test",
      });
    this.exitCode = runCli(argv, {
      describe: async () => capabilities,
      connect: async () =>
        ReconnectingCaller.open({
          clock: systemClock,
          connect,
          withoutDaemon: () => Promise.reject(new Error("The daemon is away")),
        }),
      verbs: [],
      stdio: {
        stdin: { isTty: false, isPiped: false, async *chunks() {} },
        stdout: this.stdout,
        stderr: this.stderr,
      },
      env: {},
      clock: systemClock,
      version: "0.0.0-test",
      signal: this.#ending.signal,
    });
  }

  /** The port a forward listens on, once it does. */
  async port(): Promise<number> {
    const port = () => /127\.0\.0\.1:(\d+)/.exec(this.stdout.text)?.[1];
    await until(() => port() !== undefined || this.stderr.text !== "");
    const found = port();
    if (found === undefined) throw new Error(this.stderr.text);
    return Number(found);
  }

  /** Ends it as Ctrl-C does; resolves to the exit code. */
  end(): Promise<number> {
    this.#ending.abort("SIGINT");
    return this.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

class Gathered implements Output {
  readonly isTty = false;
  readonly columns = 80;
  text = "";

  async write(data: Uint8Array | string): Promise<void> {
    this.text += typeof data === "string" ? data : new TextDecoder().decode(data);
  }
}
