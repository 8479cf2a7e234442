/** The small things that content is made of, each of its one type and within its limit. */

import type { Bytes } from "./bytes";
import { utf8 } from "./bytes";
import { type ChappeError, error } from "./errors";

export function exactBytes(value: unknown, length: number): Bytes {
  if (!(value instanceof Uint8Array) || value.length !== length) throw malformed();
  return new Uint8Array(value);
}

/** A whole number from 0 to `most`. A library gives what is above 2^53 - 1 as a bigint. */
export function uint(value: unknown, most: number): number {
  if (typeof value !== "number" && typeof value !== "bigint") throw malformed();
  if (value < 0 || value > most) throw malformed();
  return Number(value);
}

/** The other way: a library encodes a number above 2^53 - 1 as a float. */
export function whole(value: number): number | bigint {
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? BigInt(value) : value;
}

/** At most `most` bytes of UTF-8. */
export function shortText(value: unknown, most: number): string {
  if (typeof value !== "string" || utf8(value).length > most) throw malformed();
  return value;
}

export function malformed(): ChappeError {
  return error("content.malformed");
}
