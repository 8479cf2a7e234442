/** What a content can be (docs/protocol.md section 9): text, reaction, file, deletion, receipt, typing, a delivery token; else unknown. */

import { encode as cbor } from "cborg";
import { type Bytes, bigEndian, concat, fromUtf8, utf8 } from "./bytes";
import type { Media } from "./media";
import { exactBytes, malformed, shortText, uint, whole } from "./pieces";

export const MAX_TEXT = 64 * 1024;
export const MAX_EMOJI = 64;
export const MAX_NAME = 255;
export const MAX_STATUSES = 1000;
export const TEXT_TYPE = "text/plain;charset=utf-8";
export const STATUS_TYPE = "application/mimi-message-status";
export const TYPING_TYPE = "application/vnd.chappe.typing";
export const DELIVERY_TYPE = "application/vnd.chappe.delivery";

// Dispositions (draft-ietf-mimi-content section 5.2).
const UNSPECIFIED = 0;
const RENDER = 1;
const REACTION = 2;
const ATTACHMENT = 7;
// Cardinalities.
const NULL = 0;
const SINGLE = 1;
const EXTERNAL = 2;
const MULTI = 3;

const NUMBER_BYTES = 4;
/** Of a delivery token. */
export const TOKEN_BYTES = 32;

const AES_256_GCM = 2;
const SHA_256 = 1;

/** What became of a message (draft-ietf-mimi-content section 7). */
export const DELIVERED = 1;
export const READ = 2;
export type Status = typeof DELIVERED | typeof READ;

/** Plain text, at most MAX_TEXT bytes of UTF-8. */
export interface Text {
  kind: "text";
  text: string;
}

/** To the message in `inReplyTo`. */
export interface Reaction {
  kind: "reaction";
  emoji: string;
}

/**
 * A file: where its ciphertext is and how to open it (AES-256-GCM). `hash` is the ciphertext's SHA-256, `size`
 * the file's own bytes, `filename` free of path separators and control characters.
 */
export interface Attachment {
  kind: "attachment";
  url: string;
  key: Bytes;
  nonce: Bytes;
  hash: Bytes;
  size: number;
  contentType: string;
  filename: string;
  description: string;
  media: Media | null;
}

/** The message in `replaces` is taken back: a text, a file, or a reaction. */
export interface Deleted {
  kind: "deleted";
}

/** What became of messages, by their ids. */
export interface Receipt {
  kind: "receipt";
  statuses: [Bytes, Status][];
}

/** Its sender is typing. Nothing of it is stored. */
export interface Typing {
  kind: "typing";
}

/** Well formed, but of a kind that this version cannot show. */
export interface Unknown {
  kind: "unknown";
  contentType: string;
}

/** The delivery token of the device that says it; the highest number of a device counts. It is no message. */
export interface Delivery {
  kind: "delivery";
  /** From 0 to 2^32 - 1. */
  number: number;
  token: Bytes;
}

export type Body = Text | Reaction | Attachment | Deleted | Receipt | Typing | Delivery | Unknown;

/** Throws content.malformed for an unknown body. */
export function encodePart(body: Body): unknown[] {
  switch (body.kind) {
    case "text":
      return [RENDER, "", SINGLE, TEXT_TYPE, utf8(body.text)];
    case "reaction":
      return [REACTION, "", SINGLE, TEXT_TYPE, utf8(body.emoji)];
    case "deleted":
      return [UNSPECIFIED, "", NULL];
    case "receipt":
      return [UNSPECIFIED, "", SINGLE, STATUS_TYPE, cbor(body.statuses)];
    case "typing":
      return [UNSPECIFIED, "", SINGLE, TYPING_TYPE, new Uint8Array()];
    case "delivery":
      return [
        UNSPECIFIED,
        "",
        SINGLE,
        DELIVERY_TYPE,
        concat(bigEndian(body.number, NUMBER_BYTES), body.token),
      ];
    case "attachment":
      return encodeAttachment(body);
    default:
      throw malformed();
  }
}

function encodeAttachment(file: Attachment): unknown[] {
  return [
    ATTACHMENT,
    "",
    EXTERNAL,
    file.contentType,
    file.url,
    0,
    whole(file.size),
    AES_256_GCM,
    file.key,
    file.nonce,
    new Uint8Array(),
    SHA_256,
    file.hash,
    file.description,
    file.filename,
  ];
}

/** `load` decodes the item inside a receipt. Throws content.malformed. */
export function decodePart(part: unknown, load: (data: Uint8Array) => unknown): Body {
  if (!Array.isArray(part) || part.length < 3) throw malformed();
  const fields: unknown[] = part;
  const disposition = uint(fields[0], 255);
  shortText(fields[1], 64);
  const cardinality = uint(fields[2], 255);
  if (cardinality === NULL && fields.length === 3) return { kind: "deleted" };
  if (cardinality === SINGLE && fields.length === 5) {
    return decodeSingle(disposition, shortText(fields[3], 255), fields[4], load);
  }
  if (cardinality === EXTERNAL && fields.length === 15) return decodeExternal(fields);
  if (cardinality === MULTI && fields.length === 5 && Array.isArray(fields[4])) {
    return { kind: "unknown", contentType: "multipart" };
  }
  throw malformed();
}

function decodeDelivery(data: Uint8Array): Delivery {
  if (data.length !== NUMBER_BYTES + TOKEN_BYTES) throw malformed();
  const number = new DataView(data.buffer, data.byteOffset).getUint32(0);
  return { kind: "delivery", number, token: new Uint8Array(data.subarray(NUMBER_BYTES)) };
}

function decodeSingle(
  disposition: number,
  contentType: string,
  data: unknown,
  load: (data: Uint8Array) => unknown,
): Body {
  if (!(data instanceof Uint8Array)) throw malformed();
  if (contentType === STATUS_TYPE) return decodeReceipt(load(data));
  if (contentType === TYPING_TYPE) {
    if (data.length > 0) throw malformed();
    return { kind: "typing" };
  }
  if (contentType === DELIVERY_TYPE) return decodeDelivery(data);
  const plain = [TEXT_TYPE, "text/plain"].includes(contentType.replaceAll(" ", "").toLowerCase());
  if (!plain || (disposition !== RENDER && disposition !== REACTION)) {
    return { kind: "unknown", contentType };
  }
  if (data.length > (disposition === REACTION ? MAX_EMOJI : MAX_TEXT)) throw malformed();
  const text = textOf(data);
  if (disposition === RENDER) return { kind: "text", text };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  if (text === "" || /[\x00-\x1f\x7f-\x9f]/.test(text)) throw malformed();
  return { kind: "reaction", emoji: text };
}

function textOf(data: Uint8Array): string {
  try {
    return fromUtf8(data);
  } catch {
    throw malformed();
  }
}

function decodeReceipt(found: unknown): Receipt {
  if (!Array.isArray(found) || found.length === 0 || found.length > MAX_STATUSES) throw malformed();
  const statuses: [Bytes, Status][] = [];
  for (const pair of found as unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) throw malformed();
    const status = uint(pair[1], 255);
    const id = exactBytes(pair[0], 32);
    if (status === DELIVERED || status === READ) statuses.push([id, status]);
  }
  return { kind: "receipt", statuses };
}

function decodeExternal(fields: unknown[]): Body {
  const contentType = shortText(fields[3], 255);
  const url = shortText(fields[4], 2048);
  const expires = uint(fields[5], 2 ** 53);
  const size = uint(fields[6], 2 ** 53);
  const algorithm = uint(fields[7], 65535);
  const hashAlgorithm = uint(fields[11], 255);
  const description = shortText(fields[13], MAX_TEXT);
  const filename = shortText(fields[14], 4 * MAX_NAME);
  const [key, nonce, aad, hash] = [fields[8], fields[9], fields[10], fields[12]];
  for (const value of [key, nonce, aad, hash]) {
    if (!(value instanceof Uint8Array) || value.length > 255) throw malformed();
  }
  const known = algorithm === AES_256_GCM && hashAlgorithm === SHA_256 && expires === 0;
  if (!known || (aad as Uint8Array).length > 0) return { kind: "unknown", contentType };
  return {
    kind: "attachment",
    url,
    key: exactBytes(key, 32),
    nonce: exactBytes(nonce, 12),
    hash: exactBytes(hash, 32),
    size,
    contentType,
    filename: safeName(filename),
    description,
    media: null,
  };
}

/** A file name that names a file in its folder and nothing else, at most MAX_NAME bytes of UTF-8. */
export function safeName(name: string): string {
  const printable = name.replace(/[^\P{C} ]|[^\P{Z} ]|[/\\:*?"<>|]/gu, "");
  let kept = [...printable.replace(/^[ .]+|[ .]+$/g, "")];
  while (utf8(kept.join("")).length > MAX_NAME) {
    const dot = kept.lastIndexOf(".");
    const suffixed = dot > 0 && kept.length - dot - 1 < 16;
    kept = suffixed ? [...kept.slice(0, dot - 1), ...kept.slice(dot)] : kept.slice(0, -1);
  }
  return kept.join("") || "file";
}
