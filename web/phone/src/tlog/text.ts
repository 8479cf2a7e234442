/** The encodings that the log's text formats share, each with one spelling for a value. */

import { malformed } from "./errors";
import { MAX_SIZE } from "./merkle";

export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function utf8(text: string): Bytes {
  return new Uint8Array(encoder.encode(text));
}

/** Throws `tlog.malformed` for what is no UTF-8. */
export function fromUtf8(data: Uint8Array): string {
  try {
    return decoder.decode(data);
  } catch {
    throw malformed("not UTF-8");
  }
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

export function toHex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** `value` in 8 bytes, big-endian. */
export function u64(value: bigint): Bytes {
  const data = new Uint8Array(8);
  new DataView(data.buffer).setBigUint64(0, value);
  return data;
}

export function toBase64(data: Uint8Array): string {
  return btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(""));
}

/** The bytes, `length` of them if it is given; `tlog.malformed` for any other than the one spelling. */
export function fromBase64(text: string, length?: number): Bytes {
  let raw: string;
  try {
    raw = atob(text);
  } catch {
    throw malformed("not base64");
  }
  const data = Uint8Array.from(raw, (char) => char.charCodeAt(0));
  // `atob` forgives spaces, missing padding and stray bits: each would make two texts of one value.
  if (toBase64(data) !== text) throw malformed("not the canonical base64 of its bytes");
  if (length !== undefined && data.length !== length)
    throw malformed(`not the base64 of ${length} bytes`);
  return data;
}

/** A number from 0 to 2^63 - 1 in ASCII digits without leading zeros; `tlog.malformed` for any other. */
export function fromDecimal(text: string): bigint {
  const value = /^(0|[1-9][0-9]{0,18})$/.test(text) ? BigInt(text) : -1n;
  if (value < 0n || value > MAX_SIZE)
    throw malformed("not a decimal number below 2^63 without leading zeros");
  return value;
}
