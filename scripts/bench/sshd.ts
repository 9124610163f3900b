// An SSH server and client of this run's own: own keys, own port, own configuration, nothing of the user's touched.
// Next: exec.ts, bulk.ts and tree.ts measure against it.

import { chmodSync, copyFileSync, existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { freePort } from "../../test/harness/free_port.ts";
import { Missing } from "./row.ts";
import type { Site } from "./site.ts";

/** How to reach the server: `ssh -F CONFIG HOST`. */
export interface SshServer {
  readonly config: string;
  /** Every connection is made anew. */
  readonly fresh: "bench-fresh";
  /** Connections share a master that is open already. */
  readonly shared: "bench-shared";
}

/** Where sshd insists on an empty folder for its unprivileged part. */
const PRIVILEGE_SEPARATION = "/run/sshd";

/** @throws Missing when there is no sshd, or it does not start */
export async function startSshd(site: Site): Promise<SshServer> {
  const sshd = site.program("sshd");
  const ssh = site.program("ssh");
  const folder = site.newFolder("ssh");
  const port = freePort();
  for (const name of ["host_key", "user_key"]) makeKey(site, join(folder, name));
  authorize(folder);
  const server = join(folder, "sshd_config");
  writeFileSync(server, serverConfig(folder, port));
  makePrivilegeSeparation();
  site.track(
    Bun.spawn([sshd, "-D", "-f", server, "-E", join(folder, "sshd.log")], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    }),
  );
  const config = join(folder, "ssh_config");
  writeFileSync(config, clientConfig(folder, port));
  await untilAnswered([ssh, "-F", config, "bench-fresh", "true"], folder);
  site.track(
    Bun.spawn([ssh, "-F", config, "-M", "-N", "bench-shared"], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    }),
  );
  await untilAnswered([ssh, "-F", config, "-O", "check", "bench-shared"], folder);
  return { config, fresh: "bench-fresh", shared: "bench-shared" };
}

function makeKey(site: Site, path: string): void {
  const keygen = site.program("ssh-keygen");
  const { success } = Bun.spawnSync([keygen, "-q", "-t", "ed25519", "-N", "", "-f", path]);
  if (!success) throw new Missing("ssh-keygen failed");
}

function authorize(folder: string): void {
  const path = join(folder, "authorized_keys");
  copyFileSync(join(folder, "user_key.pub"), path);
  chmodSync(path, 0o600);
}

/** HOME points where no start-up files are: what the user's own ones do is no part of ssh's time. */
function serverConfig(folder: string, port: number): string {
  return `Port ${port}
ListenAddress 127.0.0.1
HostKey ${folder}/host_key
AuthorizedKeysFile ${folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100:30:200
MaxSessions 100
Subsystem sftp internal-sftp
SetEnv HOME=${folder}
PrintMotd no
PrintLastLog no
`;
}

function clientConfig(folder: string, port: number): string {
  return `Host bench-fresh bench-shared
  HostName 127.0.0.1
  Port ${port}
  IdentityFile ${folder}/user_key
  IdentitiesOnly yes
  UserKnownHostsFile ${folder}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking accept-new
  BatchMode yes
  LogLevel ERROR
Host bench-shared
  ControlPath ${folder}/control
`;
}

/** Made when missing, as the distribution's service would; removed at the end when it was. */
function makePrivilegeSeparation(): void {
  if (userInfo().uid !== 0 || existsSync(PRIVILEGE_SEPARATION)) return;
  mkdirSync(PRIVILEGE_SEPARATION, { mode: 0o755 });
  process.on("exit", () => rmdirSync(PRIVILEGE_SEPARATION));
}

async function untilAnswered(command: readonly string[], folder: string): Promise<void> {
  const endMs = performance.now() + 5000;
  while (performance.now() < endMs) {
    if (Bun.spawnSync([...command], { stdin: "ignore" }).success) return;
    await Bun.sleep(50);
  }
  const log = Bun.file(join(folder, "sshd.log"));
  const why = (await log.exists()) ? (await log.text()).trim().split("\n").at(-1) : "";
  throw new Missing(`the SSH server did not answer${why ? `: ${why}` : ""}`);
}
