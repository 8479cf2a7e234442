/** TLS presentation language (RFC 9420 section 2.1): the little of it that ts-mls does not hand out. */

import { malformed } from "./errors";

/** Reads from the front; every method throws a `malformed` fault where too little is left. */
export class Reader {
  #at = 0;
  constructor(private readonly data: Uint8Array) {}

  get empty(): boolean {
    return this.#at === this.data.length;
  }

  take(count: number): Uint8Array {
    if (this.#at + count > this.data.length) throw malformed("too short");
    this.#at += count;
    return this.data.subarray(this.#at - count, this.#at);
  }

  number(bytes: number): number {
    return this.take(bytes).reduce((sum, byte) => sum * 256 + byte, 0);
  }

  /** A vector's bytes: a length in 1, 2 or 4 bytes before them, as short as can be (section 2.1.2). */
  opaque(): Uint8Array {
    const first = this.number(1);
    const log = first >> 6;
    if (log === 3) throw malformed("a length of eight bytes");
    let length = first & 0x3f;
    for (let more = (1 << log) - 1; more > 0; more--) length = length * 256 + this.number(1);
    if (log > 0 && length < 2 ** (8 * (1 << (log - 1)) - 2)) throw malformed("a length too long");
    return this.take(length);
  }
}

/** `data` with its length before it. */
export function opaque(data: Uint8Array): Uint8Array {
  const { length } = data;
  if (length < 0x40) return concat(Uint8Array.of(length), data);
  if (length < 0x4000) return concat(Uint8Array.of(0x40 | (length >> 8), length & 0xff), data);
  if (length >= 0x40000000) throw malformed("too long");
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, 0x80000000 + length);
  return concat(head, data);
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const same = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);
