// fs.send_tree, fs.receive_tree and fs.survey_tree: the two ends of a copy between nodes.
// It must never act on what the other end says without asking policy about the caller here.
// Next: tree_source.ts reads, tree_sink.ts makes, tree_frame.ts is what goes between them.

import type { z } from "zod";
import type { Call } from "../../contract/capability.ts";
import { accessesOfTreeRead, accessesOfTreeWrite } from "./access.ts";
import type { Failing } from "./failure.ts";
import type { TreeEvent } from "./tree_event.ts";
import { encodeTree, TreeDecoder } from "./tree_frame.ts";
import { haveOf } from "./tree_have.ts";
import type { treeOperations } from "./tree_operations.ts";
import type { CopyReport } from "./tree_report.ts";
import { type Making, TreeSink } from "./tree_sink.ts";
import { assertReadable, readTree } from "./tree_source.ts";
import { surveyTree } from "./tree_survey.ts";

type Operations = typeof treeOperations;
type Survey = Operations["survey_tree"];
type Send = Operations["send_tree"];
type Receive = Operations["receive_tree"];
type Nothing = Record<string, never>;

/** Handler of `fs.survey_tree`. */
export async function* surveyTreeHandler(
  { path, checksum }: z.output<Survey["input"]>,
  call: Call<Survey, "mounts">,
): AsyncGenerator<Uint8Array, Nothing, undefined> {
  const accessesOf = accessesOfTreeRead("fs.survey_tree", false);
  yield* encodeTree(surveyTree({ path, checksum, accessesOf }, call));
  return {};
}

/** Handler of `fs.send_tree`. */
export async function* sendTree(
  { path, recursive, skip_denied }: z.output<Send["input"]>,
  call: Call<Send, "mounts">,
): AsyncGenerator<Uint8Array, Nothing, undefined> {
  {
    // Refused before the caller has sent what it may take long to find out.
    using parent = call.services.mounts.parent(path, "look");
    assertReadable(parent, recursive, call);
  }
  const have = await haveOf(decoded(call.incoming, call));
  const accessesOf = accessesOfTreeRead("fs.send_tree", false);
  const options = { path, recursive, skipDenied: skip_denied, hashed: true, have, accessesOf };
  yield* encodeTree(readTree(options, call));
  return {};
}

/** Handler of `fs.receive_tree`. */
export function receiveTree(
  input: z.output<Receive["input"]>,
  call: Call<Receive, "mounts">,
): Promise<CopyReport> {
  return receiveInto(input, call.incoming, call);
}

/** Makes what a tree's bytes say, each entry as policy lets the caller. */
export async function receiveInto(
  { path, skip_denied, require_absent, expected_version }: z.output<Receive["input"]>,
  content: AsyncIterable<Uint8Array>,
  call: Making,
): Promise<CopyReport> {
  const accessesOf = accessesOfTreeWrite("fs.receive_tree");
  const precondition = { require_absent, expected_version };
  const options = { to: path, skipDenied: skip_denied, hashed: true, accessesOf, ...precondition };
  using sink = new TreeSink(options, call);
  const decoder = new TreeDecoder(call);
  for await (const chunk of content) {
    for (const event of decoder.push(chunk)) {
      const waiting = sink.take(event);
      if (waiting) await waiting;
    }
    sink.endTurn();
  }
  decoder.end();
  return sink.finish();
}

async function* decoded(
  chunks: AsyncIterable<Uint8Array>,
  call: Failing,
): AsyncGenerator<TreeEvent, undefined> {
  const decoder = new TreeDecoder(call);
  for await (const chunk of chunks) yield* decoder.push(chunk);
  decoder.end();
  return undefined;
}
