// Handlers of `policy`: each asks services.policy and shapes the answer.
// It must never decide anything itself.
// Next: contract/services.ts for PolicyView.

import type { Handlers } from "../../contract/capability.ts";
import type { operations } from "./schema.ts";

/** One handler per operation of {@link operations}. */
export const handlers: Handlers<typeof operations, "policy"> = {
  async show(_input, call) {
    return { policy: call.services.policy.show() };
  },
  async test({ table }, call) {
    const { passed, failed, cases } = await call.services.policy.test(table, call.signal);
    return { passed, failed, cases: [...cases], exit_code: failed === 0 ? 0 : 1 };
  },
  async explain({ principal, operation, input }, call) {
    const decision = await call.services.policy.explain({ principal, operation, input });
    return { principal, operation, decision };
  },
};
