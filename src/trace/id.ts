/** A new trace id: 16 random bytes, never all zero (W3C Trace Context 3.2.2.3). */
export function newTraceId(): string {
  return randomHex(16);
}

/** A new span id: 8 random bytes, never all zero (W3C Trace Context 3.2.2.4). */
export function newSpanId(): string {
  return randomHex(8);
}

/** Whether a text is a trace id a peer may send. */
export function isTraceId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text) && !/^0+$/.test(text);
}

/** Whether a text is a span id a peer may send. */
export function isSpanId(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text) && !/^0+$/.test(text);
}

function randomHex(byteCount: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(byteCount));
  if (bytes.every((byte) => byte === 0)) bytes[0] = 1;
  return Buffer.from(bytes).toString("hex");
}
