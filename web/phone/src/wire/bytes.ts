/** Byte strings: the few things that every part of the wire does with them. No secrets are compared here. */

/** Bytes in a buffer of their own, which is what Web Crypto takes. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function utf8(text: string): Bytes {
  return new Uint8Array(encoder.encode(text));
}

/** The text of UTF-8 bytes, a byte order mark kept. Throws TypeError for what is no UTF-8. */
export function fromUtf8(data: Uint8Array): string {
  return decoder.decode(data);
}

export function concat(...parts: Uint8Array[]): Bytes {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

/** Which comes first, byte by byte: below 0, 0, above 0. */
export function compare(one: Uint8Array, other: Uint8Array): number {
  const shared = Math.min(one.length, other.length);
  for (let at = 0; at < shared; at++) {
    const difference = (one[at] as number) - (other[at] as number);
    if (difference !== 0) return difference;
  }
  return one.length - other.length;
}

/** Lower-case hex: how ids are spoken of between the pages and the worker. */
export function toHex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Throws TypeError for what is no hex. */
export function fromHex(text: string): Bytes {
  if (!/^([0-9a-fA-F]{2})*$/.test(text)) throw new TypeError("not hex");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** `value` in `length` bytes, big-endian; whole, not negative, at most 2^53. */
export function bigEndian(value: number, length: number): Bytes {
  const data = new Uint8Array(length);
  let left = value;
  for (let at = length - 1; at >= 0; at--) {
    data[at] = left % 256;
    left = Math.floor(left / 256);
  }
  return data;
}

/** The parts, each with a 2-byte big-endian length, so that no two lists give the same bytes. */
export function lengthPrefixed(...parts: Uint8Array[]): Bytes {
  return concat(...parts.flatMap((part) => [bigEndian(part.length, 2), part]));
}

/** `opaque data<V>`, up to 16,383 bytes (RFC 9420 section 2.1.2). */
export function opaque(data: Uint8Array): Bytes {
  const { length } = data;
  return concat(length < 0x40 ? bigEndian(length, 1) : bigEndian(length | 0x4000, 2), data);
}

/** From the system's generator. */
export function randomBytes(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length));
}
