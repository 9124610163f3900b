// Which encodings of edwards25519 points and scalars are canonical and safe (RFC 8032 5.1.3, 5.1.7).
// It must never do secret-dependent work: only public keys and signatures come here.
// Next: key.ts asks before it trusts.

/** 2^255 - 19, the field. */
const P = 2n ** 255n - 19n;
/** Order of the base point. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

/** One y of order 8; the other is its negative. */
const ORDER_8_Y = 0x5fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;

/** The y coordinates of the points of order 1, 2, 4 and 8; the sign bit is not part of them. */
const SMALL_ORDER_Y = new Set([0n, 1n, P - 1n, ORDER_8_Y, P - ORDER_8_Y]);

/** Whether y is below p: every point then has one spelling. */
export function isCanonicalPoint(bytes: Uint8Array): boolean {
  return yOf(bytes) < P;
}

/** Whether the point has order 1, 2, 4 or 8: signatures of such keys hold for many messages. */
export function isSmallOrder(bytes: Uint8Array): boolean {
  return SMALL_ORDER_Y.has(yOf(bytes) % P);
}

/** Whether S is below L: every signature then has one spelling. */
export function isCanonicalScalar(bytes: Uint8Array): boolean {
  // Cheap answer for nearly all: L is 2^252 and a little.
  if ((bytes[31] as number) < 0x10) return true;
  return littleEndian(bytes) < L;
}

function yOf(bytes: Uint8Array): bigint {
  return littleEndian(bytes) & (2n ** 255n - 1n);
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
}
