// Schemas for those who need the configuration but not the sections capabilities own: they take anything.
// It must never be used where a section is acted on, nor by what tells whether a file is valid.
// Next: load.ts takes them.

import { z } from "zod";
import type { SettingsSchemas } from "./schema.ts";

/** A schema for each section that a capability may have. */
export function unreadSettings(
  capabilities: readonly { readonly id: string; readonly settings_key?: string }[],
): SettingsSchemas {
  return Object.fromEntries(
    capabilities.map(({ id, settings_key }) => [settings_key ?? id, z.unknown()]),
  );
}
