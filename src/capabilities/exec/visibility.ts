// Whose jobs and sessions somebody may know of: one's own, and others' where policy names a role of theirs.
// It must never be all there is: which operations they may do with them is for the rules.
// Next: detached/handler.ts and session/handler.ts ask it.

import type { Principal } from "../../contract/capability.ts";

/** Whether something of an owner's exists for this principal. */
export function maySee(
  { id, roles }: Principal,
  { owner, visible_to }: { readonly owner: string; readonly visible_to: readonly string[] },
): boolean {
  return owner === id || roles.some((role) => visible_to.includes(role));
}
