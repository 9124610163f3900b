// The services nodes are configured to offer: whether each answers, from where its node is. All nodes at once.
// It must never reach a service by itself: the node that offers it tries, where this caller may ask it to.
// Next: doctor_verbs.ts says how a node is asked; node_checks.ts looks at the nodes themselves.

import { OperonError, toOperonError } from "../error.ts";
import type { Finding } from "./finding.ts";

/** Services of one node that are tried, and how many of them at once. */
const SERVICES_MAX = 64;
const AT_ONCE = 8;

/** A service as its node lists it. */
export interface ListedService {
  readonly id: string;
  readonly target: string;
  /** `false`: it is to be offered by somebody, and nobody does. */
  readonly available: boolean;
}

/** What trying it came to. */
export interface TriedService {
  readonly state: "up" | "down" | "unknown";
  /** Of an HTTP answer. */
  readonly status?: number;
  readonly detail?: string;
}

/** How nodes are asked; both reject with an OperonError. */
export interface ServiceCheckOptions {
  readonly list: (node: string) => Promise<readonly ListedService[]>;
  readonly check: (node: string, id: string) => Promise<TriedService>;
}

/** A finding for each service, in the order of nodes and services. A node that does not say what it has gives none. */
export async function checkServices(
  nodes: readonly string[],
  options: ServiceCheckOptions,
): Promise<readonly Finding[]> {
  const found = await Promise.all(nodes.map((node) => checkNode(node, options)));
  return found.flat();
}

async function checkNode(node: string, options: ServiceCheckOptions): Promise<Finding[]> {
  let services: readonly ListedService[];
  try {
    services = (await options.list(node)).slice(0, SERVICES_MAX);
  } catch (error) {
    // It does not answer, which is a finding of its own, or this caller may not know.
    if (error instanceof OperonError) return [];
    throw error;
  }
  const findings: Finding[] = [];
  const left = services.entries();
  const work = async () => {
    for (const [index, service] of left)
      findings[index] = {
        check: `service ${service.id}`,
        ...(node === "local" ? {} : { node }),
        ...(await stateOf(node, service, options)),
      };
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return findings;
}

async function stateOf(
  node: string,
  { id, target, available }: ListedService,
  { check }: ServiceCheckOptions,
): Promise<Pick<Finding, "status" | "what" | "fix">> {
  const where = node === "local" ? target : `${target} on ${node}`;
  if (!available) {
    return {
      status: "note",
      what: `Nobody offers it now (${where})`,
      fix: `Whoever may runs: operon service publish ${node} ${id} --to HOST:PORT`,
    };
  }
  try {
    const { state, status, detail } = await check(node, id);
    if (state === "up") return { status: "ok", what: `Answers (${where})` };
    if (state === "unknown") return { status: "ok", what: `Does not refuse (${where})` };
    if (status !== undefined) {
      return {
        status: "problem",
        what: `Answers with HTTP status ${status} (${where})`,
        fix: "See there why; check_path under policy.services of that node is what is asked for",
      };
    }
    return {
      status: "problem",
      what: `Does not answer (${where})${detail ? `: ${detail}` : ""}`,
      fix: "Start it, or correct its host and port under policy.services of that node",
    };
  } catch (thrown) {
    const { kind, message, hint } = toOperonError(thrown);
    const isRefusal = kind === "permission_denied";
    return {
      status: isRefusal ? "note" : "warning",
      what: `It could not be tried: ${message}`,
      fix: hint ?? `See operon service check ${node} ${id}`,
    };
  }
}
