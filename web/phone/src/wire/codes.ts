/**
 * Activation codes: fifteen characters of Crockford's base 32 and a check character that finds every wrong
 * character and every two that changed places, before a request is made (docs/protocol.md section 3).
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, utf8 } from "./bytes";
import { error } from "./errors";

export const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
export const LENGTH = 16;
const DIGEST_CONTEXT = "chappe code v1";

const VALUES = new Map<string, number>([
  ...Array.from(ALPHABET, (character, value): [string, number] => [character, value]),
  ["O", 0],
  ["I", 1],
  ["L", 1],
]);
const SKIPPED = new Set("- \t\r\n\u00a0\u2010\u2011\u2012\u2013\u2014");
const MAX_TEXT = 64;

/** A canonical code in groups of four, as it is printed. */
export function show(code: string): string {
  return (code.match(/.{1,4}/g) ?? []).join("-");
}

/**
 * The canonical form of what a person typed: any case, spaces, dashes, O for 0, I or L for 1. Throws
 * code.malformed.
 */
export function parse(text: string): string {
  if (text.length > MAX_TEXT) throw error("code.malformed");
  const characters = [...text.toUpperCase()].filter((character) => !SKIPPED.has(character));
  const values = characters.map((character) => VALUES.get(character) ?? -1);
  if (values.length !== LENGTH || values.includes(-1)) throw error("code.malformed");
  if (check(values.slice(0, -1)) !== values.at(-1)) throw error("code.malformed");
  return values.map((value) => ALPHABET.charAt(value)).join("");
}

/** What the relay stores in place of a canonical code. */
export function digest(code: string): Bytes {
  return new Uint8Array(sha256(concat(utf8(DIGEST_CONTEXT), utf8(code))));
}

/** The value that makes Horner's sum over GF(32) zero when it stands last. */
function check(data: number[]): number {
  return timesAlpha(data.reduce((total, value) => timesAlpha(total) ^ value, 0));
}

/** Multiply by x in GF(2)[x] / (x^5 + x^2 + 1). */
function timesAlpha(value: number): number {
  const doubled = value << 1;
  return doubled & 0b100000 ? doubled ^ 0b100101 : doubled;
}
