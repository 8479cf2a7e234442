/** Bytes that may be secret: lent to WebCrypto, overwritten when done with. */

import type { Bytes } from "../wire/bytes";

/** The same bytes for WebCrypto; copied only where the buffer is shared between threads. */
export function own(value: Uint8Array): Bytes {
  return value.buffer instanceof ArrayBuffer ? (value as Bytes) : new Uint8Array(value);
}

/** Overwrite. What the browser copied before is the memory's until it is used again. */
export function wipe(...values: (Uint8Array | null | undefined)[]): void {
  for (const value of values) value?.fill(0);
}
