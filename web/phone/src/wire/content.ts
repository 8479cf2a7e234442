/**
 * What is inside a message: CBOR after draft-ietf-mimi-content (docs/protocol.md section 9).
 *
 * A message is an array of seven: salt, replaces, topic, expires, inReplyTo, extensions, part. Deletion is a
 * message that replaces another with nothing; a reaction answers its target, and is taken back by replacing it
 * with nothing. A file is an external part; `parts.ts` has the forms of parts, `media.ts` what an extension says
 * more of a file. That somebody is typing is a part whose time is over before it arrives: who does not know it
 * drops it as a message that has disappeared.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { encode as cbor, decode as uncbor } from "cborg";
import { type Bytes, concat, lengthPrefixed, toHex, utf8 } from "./bytes";
import { walkCbor } from "./heads";
import { decodeMedia, encodeMedia, MEDIA } from "./media";
import { type Body, decodePart, encodePart } from "./parts";
import { exactBytes, malformed, uint, whole } from "./pieces";

export type { Media, MediaKind } from "./media";
export { MAX_PREVIEW, MAX_SECONDS, MAX_SIDE, MAX_WAVEFORM } from "./media";
export type {
  Attachment,
  Body,
  Deleted,
  Reaction,
  Receipt,
  Status,
  Text,
  Typing,
  Unknown,
} from "./parts";
export { DELIVERED, READ, safeName } from "./parts";

/** Largest encoded content in bytes: it fits a frame's payload, encrypted and padded. */
export const MAX_CONTENT = 1024 * 1024 - 16 * 1024;
export const MAX_DEPTH = 8;
export const SALT_BYTES = 16;
export const ID_BYTES = 32;
const MAX_EXTENSIONS = 64;
/** The extension with the newest head of the transparency log that the sender has read: size, root. */
const LOG = "chappe.log";
const ROOT_BYTES = 32;

/** `seconds` from when it is read if `relative`, else Unix seconds. */
export interface Expiry {
  relative: boolean;
  seconds: number;
}

/** Of `typing`: nobody keeps what was over before it came. */
export const TYPING_EXPIRY: Readonly<Expiry> = { relative: false, seconds: 0 };

/** A head of the relay's transparency log: so many entries, and the tree's root (32 bytes). */
export interface LogHead {
  size: number;
  root: Bytes;
}

/** One content. `salt` is 16 random bytes; ids are 32. `log`: what its sender has read. */
export interface Message {
  salt: Bytes;
  body: Body;
  replaces: Bytes | null;
  inReplyTo: Bytes | null;
  expires: Expiry | null;
  topic: Bytes;
  log: LogHead | null;
}

/** The CBOR of a message. Throws content.malformed for what `decode` would refuse. */
export function encode(message: Message): Bytes {
  const { expires } = message;
  const data = new Uint8Array(
    cbor([
      message.salt,
      message.replaces,
      message.topic,
      expires === null ? null : [expires.relative, whole(expires.seconds)],
      message.inReplyTo,
      extensionsOf(message),
      encodePart(message.body),
    ]),
  );
  decode(data);
  return data;
}

/** One message that fills `data`. Throws content.malformed. */
export function decode(data: Uint8Array): Message {
  if (data.length > MAX_CONTENT) throw malformed();
  const array = loadItem(data);
  if (!Array.isArray(array) || array.length !== 7) throw malformed();
  const [salt, replaces, topic, expires, inReplyTo, extensions, part] = array as unknown[];
  checkExtensions(extensions);
  const message = {
    salt: exactBytes(salt, SALT_BYTES),
    body: withMedia(decodePart(part, loadItem), extensions),
    replaces: idOrNull(replaces),
    inReplyTo: idOrNull(inReplyTo),
    expires: expiry(expires),
    topic: topicOf(topic),
    log: decodeLog(extensions.get(LOG)),
  };
  checkSense(message);
  return message;
}

/**
 * The id of an encoded message: 0x01 and 31 bytes of a SHA-256 (draft-ietf-mimi-content section 3.3). `sender`
 * and `room` are URIs.
 */
export function messageId(sender: string, room: string, data: Uint8Array): Bytes {
  const digest = sha256(concat(lengthPrefixed(utf8(sender), utf8(room)), data));
  return concat(Uint8Array.of(1), digest.subarray(0, 31));
}

/** The URI of a line. */
export function senderUri(address: string): string {
  const at = address.indexOf("@");
  return at < 0
    ? `mimi:///u/${address}`
    : `mimi://${address.slice(at + 1)}/u/${address.slice(0, at)}`;
}

/** The URI of a conversation. */
export function roomUri(server: string, group: Uint8Array): string {
  return `mimi://${server}/r/${toHex(group)}`;
}

/** The one CBOR item in `data`, maps as `Map`. Throws content.malformed. */
export function loadItem(data: Uint8Array): unknown {
  try {
    walkCbor(data, MAX_DEPTH);
    return uncbor(data, { useMaps: true, allowIndefinite: false, allowUndefined: false });
  } catch {
    throw malformed();
  }
}

/** What the kinds ask for beyond their form. */
function checkSense(message: Message): void {
  const { body, replaces, inReplyTo, expires } = message;
  const sound =
    (body.kind !== "deleted" || replaces !== null) &&
    (body.kind !== "reaction" || (inReplyTo !== null && replaces === null)) &&
    (body.kind !== "receipt" || (replaces === null && expires === null)) &&
    ((body.kind !== "typing" && body.kind !== "delivery") ||
      (replaces === null && inReplyTo === null && isOver(expires)));
  if (!sound) throw malformed();
}

const isOver = (expires: Expiry | null): boolean =>
  expires !== null && !expires.relative && expires.seconds === TYPING_EXPIRY.seconds;

/** Throws content.malformed for what a receiver would pass over. */
function extensionsOf({ body, log }: Message): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  if (log !== null) found[LOG] = encodeLog(log);
  if (body.kind === "attachment" && body.media !== null) found[MEDIA] = encodeMedia(body.media);
  return found;
}

function encodeLog({ size, root }: LogHead): Bytes {
  const data = new Uint8Array(8);
  new DataView(data.buffer).setBigUint64(0, BigInt(size));
  const whole = concat(data, root);
  if (decodeLog(whole) === null) throw malformed();
  return whole;
}

/** Null for what does not fit: the message is as good without it. */
function decodeLog(value: unknown): LogHead | null {
  if (!(value instanceof Uint8Array) || value.length !== 8 + ROOT_BYTES) return null;
  const size = new DataView(value.buffer, value.byteOffset).getBigUint64(0);
  if (size === 0n || size > 2n ** 53n) return null;
  return { size: Number(size), root: new Uint8Array(value.subarray(8)) };
}

function withMedia(body: Body, extensions: Map<unknown, unknown>): Body {
  return body.kind === "attachment" ? { ...body, media: decodeMedia(extensions.get(MEDIA)) } : body;
}

/** A map whose keys are whole numbers or texts; what is unknown in it is passed over. */
function checkExtensions(extensions: unknown): asserts extensions is Map<unknown, unknown> {
  if (!(extensions instanceof Map) || extensions.size > MAX_EXTENSIONS) throw malformed();
  for (const key of extensions.keys()) {
    if (!["number", "bigint", "string"].includes(typeof key)) throw malformed();
  }
}

function idOrNull(value: unknown): Bytes | null {
  return value === null ? null : exactBytes(value, ID_BYTES);
}

function topicOf(value: unknown): Bytes {
  if (!(value instanceof Uint8Array) || value.length > 255) throw malformed();
  return new Uint8Array(value);
}

function expiry(value: unknown): Expiry | null {
  if (value === null) return null;
  if (!Array.isArray(value) || value.length !== 2 || typeof value[0] !== "boolean")
    throw malformed();
  return { relative: value[0], seconds: uint(value[1], 2 ** 53) };
}
