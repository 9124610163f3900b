// fs.fetch_tree: the end of a copy that receives fetches it from the other node itself, so that the content goes straight.
// It must never use its own rights there: what it hands on was signed by its caller, and is decided as the caller's.
// Next: transfer.ts asks for it; tree_transfer.ts is what both ends do.

import type { z } from "zod";
import type { Call } from "../../contract/capability.ts";
import { failureAt } from "../../contract/relay.ts";
import { accessesOfTreeRead } from "./access.ts";
import { withProgress } from "./progress.ts";
import { encodeTree } from "./tree_frame.ts";
import type { treeOperations } from "./tree_operations.ts";
import type { CopyReport } from "./tree_report.ts";
import { surveyTree } from "./tree_survey.ts";
import { receiveInto } from "./tree_transfer.ts";

type Fetch = (typeof treeOperations)["fetch_tree"];
type Input = z.output<Fetch["input"]>;
type FetchCall = Call<Fetch, "mounts" | "outbound">;

/** Handler of `fs.fetch_tree`. */
export async function* fetchTree(
  input: Input,
  call: FetchCall,
): AsyncGenerator<{ bytes: number }, CopyReport, undefined> {
  const { principal, signal, services } = call;
  const handed = { principal, operation: "fs.send_tree", request: input.request };
  const reading = await services.outbound.handOn(handed, { signal, outgoing: survey(input, call) });
  async function* content(onBytes: (bytes: number) => void) {
    try {
      for await (const chunk of reading.chunks) {
        if (chunk.kind !== "bytes") continue;
        yield chunk.bytes;
        onBytes(chunk.bytes.byteLength);
      }
      await reading.output;
    } catch (error) {
      throw failureAt("the source", error);
    }
  }
  try {
    const report = yield* withProgress((onBytes) => receiveInto(input, content(onBytes), call));
    return { ...report, via: "direct" };
  } finally {
    reading.cancel();
    reading.output.catch(() => {});
  }
}

/** What is here already, for the other node, as far as the caller may know. */
async function* survey(
  { path, checksum }: Pick<Input, "path" | "checksum">,
  call: FetchCall,
): AsyncGenerator<Uint8Array, undefined> {
  const accessesOf = accessesOfTreeRead("fs.survey_tree", false);
  const accesses = accessesOf(call.services.mounts.resourceOf(path), "folder");
  if (!accesses.every((access) => call.authorize(access))) return undefined;
  yield* encodeTree(surveyTree({ path, checksum, accessesOf }, call));
  return undefined;
}
