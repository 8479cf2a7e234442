/** What is signed apart from MLS: MessagePack bodies under a context, by Ed25519 keys. */

import { encode as pack, decode as unpack } from "@msgpack/msgpack";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, utf8 } from "./bytes";
import { verifies } from "./certificate";
import { type Code, error } from "./errors";
import { walkMessagePack } from "./heads";
import type { Shape } from "./shape";

/** The MessagePack of a value of that shape, its fields in the shape's order. Throws Misfit. */
export function packed<T extends object>(shape: Shape<T>, value: T): Bytes {
  const data = new Uint8Array(pack(shape(value)));
  walkMessagePack(data);
  return data;
}

/** One MessagePack item of that shape that fills `data`. Throws the error `code`. */
export function unpacked<T>(shape: Shape<T>, data: Uint8Array, code: Code): T {
  try {
    walkMessagePack(data);
    return shape(unpack(data));
  } catch {
    throw error(code);
  }
}

/** What is signed of a body: context, a zero, SHA-256 of the body. */
export function bodyBytes(context: string, body: Uint8Array): Bytes {
  return concat(utf8(context), new Uint8Array(1), sha256(body));
}

/** Throws the error `code` unless `key` (Ed25519) signed. */
export function check(
  key: Uint8Array,
  signature: Uint8Array,
  signed: Uint8Array,
  code: Code,
): void {
  if (!verifies(key, signed, signature)) throw error(code);
}
