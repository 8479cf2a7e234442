/**
 * What a message says of its place: the link before its content, and the history that it is of (docs/protocol.md
 * section 9.4, docs/decisions/0012).
 *
 * A link counts the messages of one device in one conversation and holds the hash of the one before. It is inside
 * what MLS encrypts. What MLS authenticates in clear is `historyOf`: the same for all messages of an epoch.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, bigEndian, concat, equal, lengthPrefixed, utf8 } from "./bytes";
import { malformed } from "./pieces";

export const STREAM_BYTES = 16;
export const HASH_BYTES = 32;
const VERSION = 1;
const HEAD_BYTES = 2;
const LINK_BYTES = HEAD_BYTES + STREAM_BYTES + 8 + 8 + HASH_BYTES;

/** Without a link: its loss means nothing. */
export const LOOSE = 0;
export const LINKED = 1;
/** In place of a message that the relay refused for good: the SHA-256 of what it held. */
export const VOID = 2;
export type Kind = typeof LOOSE | typeof LINKED | typeof VOID;

/** In place of the hash before a stream's first message. */
export const START: Readonly<Bytes> = new Uint8Array(HASH_BYTES);

/** `counter`: from 1. `epoch`: in which it was made. `before`: the hash of the message before, or START. */
export interface Link {
  stream: Bytes;
  counter: number;
  epoch: number;
  before: Bytes;
}

/** What a device encrypts: `body` is a content, or of a void one the digest of what was to be. */
export interface Item {
  kind: Kind;
  link: Link | null;
  body: Bytes;
}

export function encodeLink({ stream, counter, epoch, before }: Link, kind: Kind = LINKED): Bytes {
  const head = Uint8Array.of(VERSION, kind);
  return concat(head, stream, bigEndian(counter, 8), bigEndian(epoch, 8), before);
}

/** Of the message with this link. `digest`: its content's. */
export function hashOf(
  link: Link,
  group: Uint8Array,
  device: Uint8Array,
  digest: Uint8Array,
): Bytes {
  const label = utf8("chappe chain v1");
  return sha256(concat(label, lengthPrefixed(group, device), encodeLink(link), digest)) as Bytes;
}

export const digestOf = ({ kind, body }: Item): Bytes =>
  kind === VOID ? body : (sha256(body) as Bytes);

export const loose = (content: Uint8Array): Bytes => concat(Uint8Array.of(VERSION, LOOSE), content);

/** An encoded link as that of a void message. */
export const voided = (encoded: Uint8Array): Bytes =>
  concat(Uint8Array.of(VERSION, VOID), encoded.subarray(HEAD_BYTES));

/** Throws content.malformed. */
export function decodeItem(data: Uint8Array): Item {
  const [version, kind] = data;
  if (version !== VERSION || (kind !== LOOSE && kind !== LINKED && kind !== VOID))
    throw malformed();
  if (kind === LOOSE) return { kind, link: null, body: data.slice(HEAD_BYTES) as Bytes };
  const body = data.slice(LINK_BYTES) as Bytes;
  if (kind === VOID && body.length !== HASH_BYTES) throw malformed();
  return { kind, link: readLink(data.subarray(0, LINK_BYTES)), body };
}

/** Throws content.malformed. */
function readLink(data: Uint8Array): Link {
  if (data.length !== LINK_BYTES) throw malformed();
  const at = HEAD_BYTES + STREAM_BYTES;
  const stream = data.slice(HEAD_BYTES, at) as Bytes;
  const [counter, epoch] = [numberAt(data, at), numberAt(data, at + 8)];
  const before = data.slice(at + 16) as Bytes;
  if (counter === 0 || (counter === 1) !== equal(before, START)) throw malformed();
  return { stream, counter, epoch, before };
}

function numberAt(data: Uint8Array, at: number): number {
  const value = new DataView(data.buffer, data.byteOffset + at, 8).getBigUint64(0);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed();
  return Number(value);
}

/** The `authenticated_data` of an epoch's messages. `transcript`: its confirmed transcript hash. */
export function historyOf(group: Uint8Array, epoch: number, transcript: Uint8Array): Bytes {
  const label = concat(utf8("chappe history v1"), bigEndian(epoch, 8));
  const digest = sha256(concat(label, lengthPrefixed(group, transcript)));
  return concat(Uint8Array.of(VERSION), digest);
}

/** Whether it has the form of one. */
export const isHistory = (data: Uint8Array): boolean =>
  data.length === 1 + HASH_BYTES && data[0] === VERSION;
