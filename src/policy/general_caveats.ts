// Conditions that every rule may carry, whatever its operations: time, rate, budget, via, tailnet.
// It must never read a clock or keep a counter: both come with the question.
// Next: usage.ts counts for `rate` and `budget`; compile.ts looks conditions up.

import { z } from "zod";
import { OperonError } from "../error.ts";
import { PublicKey } from "../identity/key.ts";
import type { CaveatMatch } from "./caveat.ts";
import type { ConditionContext, Usage } from "./condition.ts";
import { suggest } from "./nearest_name.ts";
import { compileTailnet, TailnetSchema } from "./tailnet_caveat.ts";
import { compileTime, TimeSchema } from "./time_caveat.ts";

/** What a general condition is compiled with. */
export interface GeneralScope {
  /** Prefix of the keys its usage is counted under; the principal's id is appended. */
  readonly usage_key: string;
  /** Key ids by the names of `policy.principals`. */
  readonly principal_ids: ReadonlyMap<string, string>;
}

/** A condition of the policy engine itself. */
export interface GeneralCaveat {
  readonly summary: string;
  readonly value: z.ZodType;
  /** Reason code of a refusal that only this condition causes. */
  readonly reason: string;
  /** It limits what a rule gives, so it makes no sense where a rule takes. */
  readonly allow_only: boolean;
  readonly metered: boolean;
  readonly compile: (
    value: never,
    scope: GeneralScope,
  ) => (context: ConditionContext) => CaveatMatch;
  readonly cannot_promise?: string;
}

const SECONDS_PER_MONTH = 31 * 24 * 60 * 60;
const window = z.int().min(1).max(SECONDS_PER_MONTH);
const amount = z.int().min(1).max(Number.MAX_SAFE_INTEGER);

const RateSchema = z.strictObject({ calls: amount, per_secs: window });
const BudgetSchema = z
  .strictObject({
    calls: amount.optional(),
    bytes: amount.optional(),
    seconds: amount.optional(),
    per_secs: window,
  })
  .refine((budget) => budget.calls ?? budget.bytes ?? budget.seconds, {
    error: "a budget needs at least one of calls, bytes, seconds",
  });
const ViaSchema = z.union([
  z.literal("direct"),
  z.array(z.string().min(1).max(80)).min(1).max(100),
]);

/** The general conditions by their name under `when`. */
export const generalCaveats: Readonly<Record<string, GeneralCaveat>> = {
  time: {
    summary: 'Days and hours: {days: [mon, fri], from: "08:00", to: "18:00", zone: UTC}',
    value: TimeSchema,
    reason: "time-not-allowed",
    allow_only: false,
    metered: false,
    compile: (value) => {
      const isWithin = compileTime(value);
      return ({ now_ms }) => isWithin(now_ms);
    },
  },
  rate: {
    summary: "At most `calls` in any `per_secs`, for each principal",
    value: RateSchema,
    reason: "rate-exceeded",
    allow_only: true,
    metered: true,
    compile: compileMeter,
    cannot_promise: "Counters live in memory: a restart of the node starts them at zero",
  },
  budget: {
    summary: "At most `calls`, `bytes` or `seconds` in any `per_secs`, for each principal",
    value: BudgetSchema,
    reason: "budget-exceeded",
    allow_only: true,
    metered: true,
    compile: compileMeter,
    cannot_promise:
      "Bytes and seconds are counted when a call ends, so calls under way together may exceed them; counters live in memory",
  },
  via: {
    summary: "How the request came: `direct`, or through one of these principals",
    value: ViaSchema,
    reason: "relay-not-allowed",
    allow_only: false,
    metered: false,
    compile: compileVia,
  },
  tailnet: {
    summary:
      'Whose machine connected, as the tailnet knows it: ["*@example.com", "tag:ci"]; unknown through a relay and off the tailnet',
    value: TailnetSchema,
    reason: "tailnet-not-allowed",
    allow_only: false,
    metered: false,
    compile: compileTailnet,
    cannot_promise: "The machine's identity as the local tailscaled tells it, not who sits at it",
  },
};

function compileMeter(
  limits: Partial<Usage> & { readonly per_secs: number },
  scope: GeneralScope,
): (context: ConditionContext) => CaveatMatch {
  const { calls = Infinity, bytes = Infinity, seconds = Infinity } = limits;
  const windowMs = limits.per_secs * 1000;
  return ({ principal_id, usage }) => {
    const used = usage(scope.usage_key + principal_id, windowMs);
    // Written so that NaN fails: what cannot be compared is not within a limit.
    const isWithin = used.calls < calls && used.bytes < bytes && used.seconds < seconds;
    return isWithin ? "holds" : "fails";
  };
}

function compileVia(
  value: z.output<typeof ViaSchema>,
  scope: GeneralScope,
): (context: ConditionContext) => CaveatMatch {
  if (value === "direct") return ({ via_id }) => (via_id === undefined ? "holds" : "fails");
  const ids = new Set(value.map((name) => relayId(name, scope)));
  return ({ via_id }) => (via_id !== undefined && ids.has(via_id) ? "holds" : "fails");
}

function relayId(name: string, { principal_ids }: GeneralScope): string {
  const id = principal_ids.get(name);
  if (id !== undefined) return id;
  if (name.startsWith("ed25519:")) return PublicKey.parse(name).id;
  throw new OperonError({
    code: "policy.caveat_invalid",
    kind: "invalid_argument",
    message: `There is no principal ${name}`,
    hint: suggest(name, principal_ids.keys()),
  });
}
