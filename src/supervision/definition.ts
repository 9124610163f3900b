// What a service manager is told about a node: one description, and what each manager makes of it.
// It must never hold a secret: the files that come of it are readable by everybody.
// Next: systemd.ts, launchd.ts and task_scheduler.ts write it down; manager.ts installs and steers it.

/** A node as a service. */
export interface ServiceDefinition {
  /** `operon`; several homes on one machine need several names. */
  readonly name: string;
  /** The program and its words. */
  readonly command: readonly string[];
  /** Host path of the node's home. */
  readonly home: string;
  /** Home folder of the user, for commands the node runs. */
  readonly user_home: string;
  /** `system`: for the machine, started at boot. `user`: for one user. */
  readonly scope: "system" | "user";
}

/** A definition written down for one manager. */
export interface WrittenDefinition {
  readonly path: string;
  readonly text: string;
}
