// Values that an operation lists: ids of services, of what runs. Completion offers them, and a wrong one is noticed early.
// It must never take more of an answer than was asked for: any peer may have made it.
// Next: contract/operation.ts says where values are listed (`completes_from`).

import type { Caller, CallOptions, OngoingCall } from "../../contract/caller.ts";
import type { ValueSource } from "../../contract/operation.ts";

/** Where values are listed, on which node, and how many to look at. */
export interface ListQuestion extends CallOptions {
  readonly source: ValueSource;
  readonly node: string;
  readonly limit: number;
}

/** Values of a list, such as the ids of what runs on a node. @throws OperonError of the call */
export async function listedValues(
  caller: Caller,
  { source, node, limit, ...options }: ListQuestion,
): Promise<readonly string[]> {
  const { operation, field, rows, where = {} } = source;
  const call = caller.call(node, operation, {}, options);
  const items: unknown[] = rows === undefined ? await firstValues(call, limit) : [];
  if (rows !== undefined) {
    const listed = ((await call.output) as Readonly<Record<string, unknown>>)[rows];
    if (Array.isArray(listed)) items.push(...listed.slice(0, limit));
  }
  return items
    .map((item) => (item ?? {}) as Readonly<Record<string, unknown>>)
    .filter((item) =>
      Object.entries(where).every(([name, values]) => values.some((value) => value === item[name])),
    )
    .map((item) => item[field])
    .filter((value) => typeof value === "string");
}

/** The first values of a call's stream; it is cancelled when there are more. */
export async function firstValues(call: OngoingCall, limit: number): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const chunk of call.chunks) {
    if (chunk.kind === "value") values.push(chunk.value);
    if (values.length < limit) continue;
    call.cancel();
    call.output.catch(() => {});
    return values;
  }
  await call.output;
  return values;
}
