/** Bytes: made, joined, compared, overwritten. */

/** What WebCrypto takes: bytes of a buffer that nobody shares. */
export type Bytes = Uint8Array<ArrayBuffer>;

const text = new TextEncoder();

export function utf8(value: string): Bytes {
  return text.encode(value) as Bytes;
}

export function random(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** The same bytes for WebCrypto; copied only where the buffer is shared between threads. */
export function own(value: Uint8Array): Bytes {
  return value.buffer instanceof ArrayBuffer ? (value as Bytes) : new Uint8Array(value);
}

export function joined(...parts: Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Each part with its length in four bytes before it, so that no two lists join to the same bytes. */
export function listed(...parts: Uint8Array[]): Bytes {
  return joined(...parts.flatMap((part) => [u32(part.length), part]));
}

export function u32(value: number): Bytes {
  const made = new Uint8Array(4);
  new DataView(made.buffer).setUint32(0, value);
  return made;
}

export function u64(value: number): Bytes {
  const made = new Uint8Array(8);
  new DataView(made.buffer).setBigUint64(0, BigInt(value));
  return made;
}

export function hex(value: Uint8Array): string {
  return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** In time that depends on the lengths alone, as far as an interpreter can promise. */
export function same(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (let i = 0; i < one.length; i++) difference |= (one[i] ?? 0) ^ (other[i] ?? 0);
  return difference === 0;
}

/** Overwrite. A browser may have copied them before; those copies are the memory's until it is used again. */
export function wipe(...values: (Uint8Array | null | undefined)[]): void {
  for (const value of values) value?.fill(0);
}
