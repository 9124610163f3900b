// Every bound a peer can press against, with its unit and the attack it stops.
// A limit must never be read from what a peer declares.
// Next: wire/ enforces most of these; policy may tighten some per capability.

/** Largest record a peer may send (ciphertext, bytes): bounds what one message can make us allocate. */
export const RECORD_BYTES_MAX = 1024 * 1024 + 4096;
/** Largest signed request or response body (bytes): bulk belongs in streams, which have credit. */
export const ENVELOPE_BYTES_MAX = 512 * 1024;
/** Requests one signature may cover: bounds the Merkle work a forged batch can cause. */
export const BATCH_REQUESTS_MAX = 256;
/** Nesting of a msgpack value: stops stack exhaustion. */
export const MSGPACK_DEPTH_MAX = 32;
/** Elements (map entries, array items) of one decoded value in total: stops a small message that allocates a lot. */
export const MSGPACK_ELEMENTS_MAX = 65_536;
/** Payload of one stream chunk (bytes) while other calls are active; larger chunks delay small calls. */
export const CHUNK_BYTES = 64 * 1024;
/** Payload of one stream chunk (bytes) when nothing else is waiting. */
export const CHUNK_BYTES_MAX = 256 * 1024;
/** Credit a stream starts with (bytes): what a peer can make us hold before anything reads it. */
export const CREDIT_BYTES_INITIAL = 256 * 1024;
/** Credit window of a stream that is being read (bytes). */
export const CREDIT_BYTES_WINDOW = 4 * 1024 * 1024;
/** Live calls one peer may have on one session: bounds handlers, timers and buffered bytes. */
export const CALLS_PER_SESSION_MAX = 256;
/** Live calls one key may have on a node over all its sessions: bounds what opening more sessions gains. */
export const CALLS_PER_PRINCIPAL_MAX = 512;
/** Bytes queued for a peer that does not read before its session is closed. */
export const SESSION_BUFFERED_BYTES_MAX = 16 * 1024 * 1024;
/** Half-open handshakes at once: stops slow-hello floods from holding memory. */
export const HANDSHAKES_PENDING_MAX = 256;
/** Half-open handshakes from one address at once. */
export const HANDSHAKES_PENDING_PER_ADDRESS_MAX = 64;
/** Time a handshake may take (ms): a mute client is dropped after it. */
export const HANDSHAKE_TIMEOUT_MS = 5_000;
/** How far a request's time may be from ours (ms), either way: bounds the replay memory. */
export const FRESHNESS_WINDOW_MS = 30_000;
/** Batch ids remembered for replay detection; when full the oldest go and older requests are refused. */
export const REPLAY_BATCHES_MAX = 200_000;
/** Silence after which a peer is pinged (ms), and again until it is given up. */
export const PING_INTERVAL_MS = 15_000;
/** Silence after which a session is closed (ms): finds peers that vanished without a FIN. */
export const PEER_SILENCE_MAX_MS = 45_000;
/** Deadline of a call that names none (ms), and the longest a caller may ask for. */
export const CALL_TIMEOUT_MS = 30_000;
export const CALL_TIMEOUT_MAX_MS = 24 * 60 * 60 * 1000;
/** How long live calls may go on after SIGTERM before they are cancelled (ms). */
export const DRAIN_MS = 5_000;
/** A live call's authority is decided again at most this long after policy changed (ms). */
export const REAUTHORIZE_MS = 500;
/** Longest virtual path a caller may name (bytes, UTF-8): the kernel's own PATH_MAX. */
export const PATH_BYTES_MAX = 4096;
/** Longest component of a path (bytes, UTF-8). */
export const PATH_COMPONENT_BYTES_MAX = 255;
/** Longest name of a node, principal, role, mount or step (characters). */
export const NAME_LENGTH_MAX = 64;
