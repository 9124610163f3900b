// Handlers of `capability`: what the registry has, seen through policy's eyes for the caller.
// It must never take the principal from the input: the answer is always about the one who signed.
// Next: contract/services.ts for PolicyView.

import type { Handlers } from "../../contract/capability.ts";
import type { OperationDescription } from "../../contract/description.ts";
import type { OperationAuthority } from "../../contract/services.ts";
import type { operations } from "./schema.ts";

/** One handler per operation of {@link operations}. */
export const handlers: Handlers<typeof operations, "registry" | "policy"> = {
  async list({ capability, all }, call) {
    const authority = new Map(
      call.services.policy.authority(call.principal.id).map((entry) => [entry.operation, entry]),
    );
    const lines = call.services.registry
      .describe()
      .filter((described) => capability === undefined || described.capability === capability)
      .map((described) => line(described, authority.get(described.id)));
    return { operations: all ? lines : lines.filter(({ verdict }) => verdict !== "deny") };
  },
  async explain(input, call) {
    const [capability = ""] = input.resource.split(":", 1);
    const operation = input.action.includes(".") ? input.action : `${capability}.${input.action}`;
    const described = call.services.registry.describe().find(({ id }) => id === operation);
    if (!described) throw call.fail("unknown", { operation });
    const decision = await call.services.policy.explain({
      principal: call.principal.id,
      operation,
      input: inputOf(input, described),
      resources: [resourceOf(input)],
    });
    return {
      resource: input.resource,
      capability,
      action: input.action,
      ...(input.path === undefined ? {} : { path: input.path }),
      decision,
    };
  },
};

function line(described: OperationDescription, authority: OperationAuthority | undefined) {
  const allow = authority?.allow ?? [];
  const ask = authority?.ask ?? [];
  const except = [...(authority?.deny ?? [])];
  const refused = except.includes("*") || except.includes("**");
  const verdict = refused ? "deny" : allow.length > 0 ? "allow" : ask.length > 0 ? "ask" : "deny";
  return {
    id: described.id,
    effect: described.effect,
    summary: described.summary,
    verdict: verdict as "allow" | "ask" | "deny",
    resources: [...new Set([...allow, ...ask])],
    except,
  };
}

function resourceOf({ resource, path }: { resource: string; path?: string | undefined }): string {
  if (path === undefined) return resource;
  const named = resource.includes(":") ? resource : `${resource}:`;
  return `${named.replace(/\/$/, "")}${path.startsWith("/") ? path : `/${path}`}`;
}

/** With a timeout but no input, an example of the operation stands in for the rest of the input. */
function inputOf(
  asked: { input?: Record<string, unknown> | undefined; timeout_secs?: number | undefined },
  described: OperationDescription,
): unknown {
  if (asked.timeout_secs === undefined) return asked.input;
  const example = described.examples.find(({ error }) => error === undefined)?.input;
  return { ...(asked.input ?? example), timeout_secs: asked.timeout_secs };
}
