// Where a run takes place: one temporary folder, the processes it started, and the end of both.
// It must never leave a process or a file behind, also when it is interrupted.
// Next: mesh.ts and sshd.ts start what is measured.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { type Mesh, startMesh } from "./mesh.ts";
import { Missing } from "./row.ts";
import { type SshServer, startSshd } from "./sshd.ts";

/** How a run was asked for. */
export interface SiteOptions {
  readonly operon: string;
  /** Rounds of every row, instead of each row's own number. */
  readonly rounds: number | undefined;
}

/** The place of one run. */
export class Site implements AsyncDisposable {
  readonly operon: string;
  readonly folder = mkdtempSync(join(tmpdir(), "operon-bench-"));
  readonly #rounds: number | undefined;
  readonly #children = new Set<Subprocess>();
  #mesh: Promise<Mesh> | undefined;
  #sshd: Promise<SshServer> | undefined;

  constructor({ operon, rounds }: SiteOptions) {
    this.operon = operon;
    this.#rounds = rounds;
    // However the process ends: nothing it started may outlive it.
    process.on("exit", () => this.#remove());
  }

  /** How many rounds a row runs. */
  rounds(own: number): number {
    return this.#rounds ?? own;
  }

  /** A new folder of its own. */
  newFolder(name: string): string {
    const folder = join(this.folder, name);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** Two daemons and a home without one, started when first asked for. */
  mesh(): Promise<Mesh> {
    this.#mesh ??= startMesh(this, "mesh");
    return this.#mesh;
  }

  /** An SSH server of this run's own. @throws Missing */
  sshd(): Promise<SshServer> {
    this.#sshd ??= startSshd(this);
    return this.#sshd;
  }

  /** The path of a peer program. @throws Missing */
  program(name: string): string {
    const path = Bun.which(name) ?? Bun.which(name, { PATH: "/usr/sbin:/usr/local/sbin:/sbin" });
    if (!path) throw new Missing(`${name} is not installed`);
    return path;
  }

  /** Starts a process that ends with this run at the latest. */
  track<Process extends Subprocess>(child: Process): Process {
    this.#children.add(child);
    void child.exited.then(() => this.#children.delete(child));
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const children = [...this.#children];
    for (const child of children) child.kill("SIGTERM");
    const ended = Promise.all(children.map((child) => child.exited));
    await Promise.race([ended, Bun.sleep(3000)]);
    this.#remove();
  }

  #remove(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}
