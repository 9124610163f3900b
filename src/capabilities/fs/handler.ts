// Handlers of `fs`, one per operation; the work is in the files named after it.
// It must never reach the disk but through services.mounts and the descriptors it pins.
// Next: read.ts, write.ts, list.ts, mkdir.ts, rm.ts, rename.ts, copy.ts, attribute.ts.

import type { Handlers } from "../../contract/capability.ts";
import { chmod, hash, touch } from "./attribute.ts";
import { copy } from "./copy.ts";
import { fetchTree } from "./fetch_tree.ts";
import { find } from "./find.ts";
import { grep } from "./grep.ts";
import { list, stat } from "./list.ts";
import { mkdir } from "./mkdir.ts";
import { read } from "./read.ts";
import { rename } from "./rename.ts";
import { rm } from "./rm.ts";
import type { operations } from "./schema.ts";
import { transfer } from "./transfer.ts";
import { receiveTree, sendTree, surveyTreeHandler } from "./tree_transfer.ts";
import { watch } from "./watch.ts";
import { truncate, write } from "./write.ts";

/** One handler per operation of `operations`. */
export const handlers: Handlers<typeof operations, "mounts" | "outbound" | "peers"> = {
  stat,
  list,
  read,
  write,
  mkdir,
  rm,
  rename,
  copy,
  truncate,
  hash,
  chmod,
  touch,
  find,
  grep,
  watch,
  survey_tree: surveyTreeHandler,
  send_tree: sendTree,
  receive_tree: receiveTree,
  fetch_tree: fetchTree,
  transfer,
};
