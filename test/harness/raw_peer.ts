// A peer made by hand from the wire's parts, so that tests can say what no honest peer would.
import type { KeyPair, PublicKey } from "../../src/identity/key.ts";
import { type RequestBatch, signRequests } from "../../src/wire/batch.ts";
import { encode } from "../../src/wire/codec.ts";
import { SUBPROTOCOL } from "../../src/wire/dial.ts";
import { decodeResponse, type RequestBody, type ResponseBody } from "../../src/wire/envelope.ts";
import { HandshakeInitiator, type SessionKeys } from "../../src/wire/handshake.ts";
import {
  type BatchItem,
  decodeMessages,
  encodeMessage,
  type Message,
} from "../../src/wire/message.ts";
import { RecordOpener, RecordSealer } from "../../src/wire/record.ts";

/** A WebSocket whose messages are pulled one by one. */
export class RawSocket {
  readonly #socket: WebSocket;
  readonly #messages: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  isClosed = false;
  closeReason = "";

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      this.#messages.push(new Uint8Array(data as ArrayBuffer));
      this.#wake?.();
    };
    socket.onclose = ({ reason }) => {
      this.isClosed = true;
      this.closeReason = reason;
      this.#wake?.();
    };
  }

  static open(endpoint: string, headers: Record<string, string> = {}): Promise<RawSocket> {
    return new Promise((resolve, reject) => {
      const options = { protocols: [SUBPROTOCOL], headers } as unknown as string[];
      const socket = new WebSocket(`${endpoint}/operon`, options);
      socket.binaryType = "arraybuffer";
      const raw = new RawSocket(socket);
      socket.onopen = () => resolve(raw);
      socket.onerror = () => reject(new Error("refused"));
    });
  }

  send(message: Uint8Array): void {
    this.#socket.send(message as Uint8Array<ArrayBuffer>);
  }

  /** The next message; `undefined` once closed. */
  async next(): Promise<Uint8Array | undefined> {
    while (this.#messages.length === 0 && !this.isClosed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#messages.shift();
  }

  /** Resolves when the other end has closed. */
  async closed(): Promise<string> {
    while (!this.isClosed) await this.next();
    return this.closeReason;
  }

  close(): void {
    this.#socket.close();
  }
}

/** A peer that finished an honest handshake and may do anything from there. */
export class RawPeer {
  readonly socket: RawSocket;
  readonly keys: SessionKeys;
  readonly key: KeyPair;
  readonly sealer: RecordSealer;
  readonly #opener: RecordOpener;
  readonly #inbox: Message[] = [];
  #nextId = 1;

  private constructor(socket: RawSocket, key: KeyPair, keys: SessionKeys) {
    this.socket = socket;
    this.key = key;
    this.keys = keys;
    this.sealer = new RecordSealer(keys.sendKey);
    this.#opener = new RecordOpener(keys.receiveKey);
  }

  static async connect(endpoint: string, key: KeyPair): Promise<RawPeer> {
    const socket = await RawSocket.open(endpoint);
    const initiator = new HandshakeInitiator({ key });
    socket.send(initiator.message);
    const reply = await socket.next();
    if (!reply) throw new Error(`closed: ${socket.closeReason}`);
    const { message, session } = initiator.receive(reply);
    socket.send(message);
    return new RawPeer(socket, key, session);
  }

  get peer(): PublicKey {
    return this.keys.peer;
  }

  newStreamId(): number {
    this.#nextId += 2;
    return this.#nextId - 2;
  }

  /** Sends messages in one record. */
  send(...messages: Message[]): void {
    this.socket.send(this.sealer.seal(messages.flatMap(encodeMessage)));
  }

  /** A signed batch of one request, not sent. */
  sign(
    body: RequestBody | Uint8Array,
    options: { addressee?: PublicKey; timeMs?: number; batchId?: Uint8Array; key?: KeyPair } = {},
  ): Extract<Message, { type: "requests" }> {
    const bytes = body instanceof Uint8Array ? body : encode(body);
    const batch: RequestBatch = signRequests({
      key: options.key ?? this.key,
      addressee: options.addressee ?? this.peer,
      batchId: options.batchId ?? crypto.getRandomValues(new Uint8Array(16)),
      timeMs: options.timeMs ?? Date.now(),
      requests: [bytes],
    });
    const requests: BatchItem[] = [{ stream_id: this.newStreamId(), bytes }];
    return { type: "requests", batch, requests };
  }

  /** Sends one signed request and gives its response; `undefined` when the session ended instead. */
  async call(
    body: RequestBody | Uint8Array,
    options: Parameters<RawPeer["sign"]>[1] = {},
  ): Promise<ResponseBody | undefined> {
    const message = this.sign(body, options);
    this.send(message);
    return this.response(message.requests[0]?.stream_id as number);
  }

  /** The response on a stream. */
  async response(streamId: number): Promise<ResponseBody | undefined> {
    for (;;) {
      const message = await this.next();
      if (!message) return undefined;
      const found =
        message.type === "responses"
          ? message.responses.find((item) => item.stream_id === streamId)
          : undefined;
      if (found) return decodeResponse(found.bytes);
    }
  }

  /** The next message, whatever it is; `undefined` once closed. */
  async next(): Promise<Message | undefined> {
    while (this.#inbox.length === 0) {
      const record = await this.socket.next();
      if (!record) return undefined;
      this.#inbox.push(...decodeMessages(this.#opener.open(record)));
    }
    return this.#inbox.shift();
  }
}
