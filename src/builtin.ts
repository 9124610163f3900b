// The capabilities every node has: one line each, and the only place that names them all.
// It must never hold anything but the list.
// Next: contract/capability.ts for what a line stands for.

import { auditCapability } from "./capabilities/audit/capability.ts";
import { capabilityCapability } from "./capabilities/capability/capability.ts";
import { execCapability } from "./capabilities/exec/capability.ts";
import { fsCapability } from "./capabilities/fs/capability.ts";
import { nodeCapability } from "./capabilities/node/capability.ts";
import { policyCapability } from "./capabilities/policy/capability.ts";
import { secretCapability } from "./capabilities/secret/capability.ts";
import { serviceCapability } from "./capabilities/service/capability.ts";
import { traceCapability } from "./capabilities/trace/capability.ts";

/** Built-in capabilities by id. */
export const builtin = {
  node: nodeCapability,
  capability: capabilityCapability,
  fs: fsCapability,
  exec: execCapability,
  service: serviceCapability,
  policy: policyCapability,
  audit: auditCapability,
  trace: traceCapability,
  secret: secretCapability,
} as const;
