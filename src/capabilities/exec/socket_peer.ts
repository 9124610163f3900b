// Who may speak to the processes that look after jobs and terminals: the node, and no command it started.
// It must never accept one it can tell nothing about.
// Next: wire/local_peer.ts knows how to tell.

import type { Socket } from "node:net";
import { isConfined, peerOf } from "../../wire/local_peer.ts";

/** Whether the other end is a process of this user that is no confined command. */
export function isOfNode(socket: Socket): boolean {
  const { fd } =
    (socket as unknown as { readonly _handle?: { readonly fd?: number } })._handle ?? {};
  const peer = fd === undefined ? undefined : peerOf(fd);
  return peer !== undefined && peer.uid === process.getuid?.() && !isConfined(peer);
}
