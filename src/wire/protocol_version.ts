/** Version of the wire protocol this program speaks (PROTOCOL.md#versions). */
export const PROTOCOL_VERSION = 1;
