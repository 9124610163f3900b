// The limits policy may set for a command, and which of them the kernel keeps for each process on its own.
// It must never list one that nothing enforces.
// Next: cgroup.ts keeps some for all processes of a command together; confinement.ts chooses.

/** Limits of a command; `policy.exec.limits`. */
export interface Limits {
  readonly memory_bytes?: number | undefined;
  readonly pids?: number | undefined;
  readonly cpu_secs?: number | undefined;
  readonly open_files?: number | undefined;
  readonly file_bytes?: number | undefined;
}

/** Name of a limit. */
export type LimitName = keyof Limits;

/** Resources of setrlimit(2). RLIMIT_NPROC is not one of them: it counts all processes of a user. */
export const RESOURCES: readonly (readonly [name: LimitName, resource: number])[] = [
  ["cpu_secs", 0],
  ["file_bytes", 1],
  ["open_files", 7],
  ["memory_bytes", 9],
];
