import type { OperonError } from "../error.ts";
import { Cancellation } from "./cancellation.ts";
import { ReceiveHalf, SendHalf, type StreamPort } from "./stream.ts";

/** Both halves of a call's stream, and whether the other end gave up. */
export class CallStream {
  readonly id: number;
  readonly incoming: ReceiveHalf;
  readonly outgoing: SendHalf;
  /** Cancelled when the other end cancelled or the session ended. */
  readonly cancellation = new Cancellation();

  constructor(id: number, port: StreamPort) {
    this.id = id;
    this.incoming = new ReceiveHalf(id, port);
    this.outgoing = new SendHalf(id, port);
  }

  /** The response is there: readers still get what is queued, then a clean end; writers stop. */
  finish(): void {
    this.incoming.close();
    this.outgoing.close();
  }

  /** Ends both halves from this side with `failure`. */
  abort(failure: OperonError): void {
    this.incoming.close(failure);
    this.outgoing.close();
    this.cancellation.cancel(failure);
  }
}
