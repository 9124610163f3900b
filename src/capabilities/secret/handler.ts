// Handlers of `secret`: what services.secrets keeps and finds.
// It must never send a value, nor put one into an error.
// Next: secret/secrets.ts for what is behind the service, and for its errors.

import type { Handlers } from "../../contract/capability.ts";
import { toOperonError } from "../../error.ts";
import { FILE_BYTES_MAX } from "../../secret/reference.ts";
import type { operations } from "./schema.ts";

/** One handler per operation of {@link operations}. */
export const handlers: Handlers<typeof operations, "secrets"> = {
  async list(_input, { services }) {
    return { secrets: [...(await services.secrets.list())] };
  },

  async check(_input, { services, signal }) {
    const secrets = [];
    for (const info of await services.secrets.list()) {
      signal.throwIfAborted();
      const error = await services.secrets.value(info.name).then(() => undefined, toOperonError);
      const hint = error?.hint === undefined ? {} : { hint: error.hint };
      const wrong = error ? { problem: error.message, ...hint } : {};
      secrets.push({ ...info, ok: error === undefined, ...wrong });
    }
    const ok = secrets.every((secret) => secret.ok);
    return { ok, secrets, exit_code: ok ? 0 : 1 };
  },

  async set({ name }, { services, incoming }) {
    await services.secrets.set(name, await gather(incoming));
    return { name };
  },

  async remove({ name }, { services }) {
    await services.secrets.remove(name);
    return { name };
  },

  async use({ name }, { services }) {
    await services.secrets.value(name);
    return { name };
  },
};

/** What came, up to more than a value may have: then it is refused, whatever else would come. */
async function gather(incoming: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const bytes of incoming) {
    // The chunk's memory may be used again.
    parts.push(bytes.slice());
    size += bytes.byteLength;
    if (size > FILE_BYTES_MAX) break;
  }
  return Buffer.concat(parts);
}
