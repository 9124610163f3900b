// Tells systemd how the daemon is: ready, reloading, stopping, alive (sd_notify(3)).
// It must never keep the daemon from running: without systemd, or when it does not listen, nothing happens.
// Next: daemon_verbs.ts uses it around daemon.ts.

import { FFIType, ptr } from "bun:ffi";
import type { Clock } from "../clock.ts";
import { openLibc } from "../libc.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
/** `sun_path` of `sockaddr_un` (bytes). */
const PATH_BYTES_MAX = 108;

/** What the environment says about the service manager above this process. */
export interface NotifyOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly clock: Clock;
}

/** The line to the service manager; dispose of it when the daemon has stopped. */
export class ServiceNotify implements Disposable {
  readonly #send: (text: string) => void;
  readonly #clock: Clock;
  #timer: Disposable | undefined;

  constructor({ env, pid, clock }: NotifyOptions) {
    this.#clock = clock;
    this.#send = env.NOTIFY_SOCKET === undefined ? () => {} : sender(env.NOTIFY_SOCKET);
    const intervalUs = Number(env.WATCHDOG_USEC ?? 0);
    const isForUs = env.WATCHDOG_PID === undefined || Number(env.WATCHDOG_PID) === pid;
    if (intervalUs > 0 && isForUs) this.#watch(intervalUs / 2_000);
  }

  ready(status: string): void {
    this.#send(`READY=1\nSTATUS=${status.replaceAll("\n", " ")}`);
  }

  /** A reload begins; `ready` ends it. */
  reloading(): void {
    this.#send(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  stopping(): void {
    this.#send("STOPPING=1");
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
  }

  #watch(intervalMs: number): void {
    this.#send("WATCHDOG=1");
    this.#timer = this.#clock.after(intervalMs, () => this.#watch(intervalMs));
  }
}

/** A datagram a message to a path, or to an abstract name when it starts with `@`. */
function sender(address: string): (text: string) => void {
  const name = Buffer.from(address.startsWith("@") ? `\0${address.slice(1)}` : address);
  if (process.platform !== "linux" || name.byteLength > PATH_BYTES_MAX) return () => {};
  const { i32, u64, ptr: pointer } = FFIType;
  let libc: ReturnType<typeof open> | undefined;
  const open = () =>
    openLibc({
      socket: { args: [i32, i32, i32], returns: i32 },
      sendto: { args: [i32, pointer, u64, i32, pointer, i32], returns: i32 },
      close: { args: [i32], returns: i32 },
    });
  const target = Buffer.alloc(2 + name.byteLength);
  target.writeUInt16LE(AF_UNIX, 0);
  name.copy(target, 2);
  return (text) => {
    try {
      libc ??= open();
      const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      if (fd < 0) return;
      const message = Buffer.from(text);
      libc.sendto(
        fd,
        ptr(message),
        message.byteLength,
        MSG_NOSIGNAL,
        ptr(target),
        target.byteLength,
      );
      libc.close(fd);
    } catch {
      // A manager that cannot be told is none of the node's work.
    }
  };
}
