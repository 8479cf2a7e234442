/**
 * What goes over `POST /v1/deliver` (docs/protocol.md section 6.8): messages of nobody, and what became of them.
 *
 * MessagePack. Nothing in it says who sends: a message is let in by its recipients' delivery tokens.
 */

import { encode as pack, decode as unpack } from "@msgpack/msgpack";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, utf8 } from "./bytes";
import { error } from "./errors";
import { MAX_PAYLOAD, MAX_RECIPIENTS } from "./frames";
import { walkMessagePack } from "./heads";
import { bytes, int, list, Misfit, type Of, optional, type Shape, struct, text } from "./shape";

export const MEDIA_TYPE = "application/msgpack";
export const MAX_BODY = 2_560 * 1024;
export const MAX_MESSAGES = 64;
const TOKEN_CONTEXT = "chappe delivery v1";

const id16 = bytes(16);
const token = bytes(32);

/** A device, and its delivery token. */
const recipient: Shape<[Bytes, Bytes]> = (value) => {
  if (!Array.isArray(value) || value.length !== 2) throw new Misfit("pair");
  return [id16(value[0]), token(value[1])];
};

const sealed = struct({
  id: id16,
  to: list(recipient, 1, MAX_RECIPIENTS),
  payload: bytes(1, MAX_PAYLOAD),
});
const deliver = struct({ messages: list(sealed, 1, MAX_MESSAGES) });
const taken = struct({ id: id16, expires: int(0, 2 ** 53) });
const turned = struct({
  id: id16,
  code: text(),
  message: text(),
  stale: optional(list(id16, 0, MAX_RECIPIENTS), []),
});

export type Sealed = Of<typeof sealed>;
export type Outcome =
  | ({ t: "accepted" } & Of<typeof taken>)
  | ({ t: "refused" } & Of<typeof turned>);

/** Throws Misfit for messages that are none. */
export function encodeDeliver(messages: Sealed[]): Bytes {
  return new Uint8Array(pack(deliver({ messages })));
}

/** One for each message, in their order. Throws http.malformed. */
export function decodeDelivered(data: Uint8Array): Outcome[] {
  try {
    walkMessagePack(data);
    const { answers, ...rest } = unpack(data) as Record<string, unknown>;
    if (Object.keys(rest).length > 0) throw new Misfit("unknown field");
    return list(outcome, 0, MAX_MESSAGES)(answers);
  } catch {
    throw error("http.malformed");
  }
}

/** What the relay keeps of a delivery token. */
export const tokenDigest = (secret: Uint8Array): Bytes =>
  new Uint8Array(sha256(concat(utf8(TOKEN_CONTEXT), secret)));

const outcome: Shape<Outcome> = (value) => {
  const { t, ...fields } = (value ?? {}) as Record<string, unknown>;
  if (t === "accepted") return { t, ...taken(fields) };
  if (t === "refused") return { t, ...turned(fields) };
  throw new Misfit("choice");
};
