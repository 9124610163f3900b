// Handlers of `trace`: what services.traces keeps, or a document the caller brought.
// It must never open a file itself.
// Next: contract/services.ts for TraceView, trace/document.ts for the format.

import type { Handlers } from "../../contract/capability.ts";
import { type operations, TraceSchema } from "./schema.ts";

/** One handler per operation of {@link operations}. */
export const handlers: Handlers<typeof operations, "traces"> = {
  async list({ limit }, call) {
    return { traces: [...(await call.services.traces.list(limit))] };
  },
  async show({ trace, document }, call) {
    if (document === undefined) return await call.services.traces.read(trace ?? "");
    const parsed = TraceSchema.safeParse(jsonOf(document));
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw call.fail("malformed", {
      at: issue?.path.join(".") ?? "",
      problem: issue?.message ?? "",
    });
  },
};

/** The value a JSON text holds; `undefined`, which no trace is, when it is none. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
