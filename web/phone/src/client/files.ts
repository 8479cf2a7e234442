/**
 * Files, encrypted and decrypted piece by piece (docs/protocol.md section 9): AES-256-GCM, the tag at the end of the
 * ciphertext, which its SHA-256 stands for in the message.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { fromBase64, toBase64 } from "../wire/api";
import { type Bytes, equal, randomBytes } from "../wire/bytes";
import { type Attachment, type Media, safeName } from "../wire/content";
import { error } from "../wire/errors";
import { GcmStream, MOST, TAG } from "./gcm";
import type { Sink, Spool } from "./spool";

export const PIECE = 256 * 1024;

/** A file encrypted into a spool: what its message says but for the URL. `size` of the file's own bytes. */
export interface Sealed {
  key: Bytes;
  nonce: Bytes;
  hash: Bytes;
  size: number;
  contentType: string;
  name: string;
}

/** Of a file that is fetched: enough to check and open it. */
export type Opening = Pick<Attachment, "key" | "nonce" | "hash" | "size">;

/** Bytes done, and bytes in all. */
export type Progress = (done: number, all: number) => void;

export interface Options {
  progress?: Progress;
  /** When it is aborted, what runs throws its reason. */
  signal?: AbortSignal;
}

/** Encrypt a file into an empty spool. Throws file.unreadable, attachment.too_large, or what the spool throws. */
export async function seal(
  file: Blob,
  name: string,
  spool: Spool,
  { progress, signal }: Options = {},
): Promise<Sealed> {
  if (file.size > MOST) throw error("attachment.too_large");
  const [key, nonce] = [randomBytes(32), randomBytes(12)];
  const stream = await GcmStream.start(key, nonce);
  const hash = sha256.create();
  const keep = async (piece: Bytes) => {
    hash.update(piece);
    await spool.append(piece);
  };
  for (let at = 0; at < file.size; at += PIECE) {
    signal?.throwIfAborted();
    await keep(await stream.encrypt(await slice(file, at)));
    progress?.(Math.min(at + PIECE, file.size), file.size);
  }
  await keep(stream.tag());
  const contentType = file.type || "application/octet-stream";
  const digest = new Uint8Array(hash.digest());
  return { key, nonce, hash: digest, size: file.size, contentType, name: safeName(name) };
}

/** Decrypt a whole ciphertext. Throws attachment.corrupt, and the sink has then discarded what it took. */
export async function unseal(
  spool: Spool,
  file: Opening,
  sink: Sink,
  { signal }: Options = {},
): Promise<void> {
  try {
    if ((await spool.size()) !== file.size + TAG) throw error("attachment.corrupt");
    const stream = await GcmStream.start(file.key, file.nonce);
    for (let at = 0; at < file.size; at += PIECE) {
      signal?.throwIfAborted();
      const piece = await spool.read(at, Math.min(at + PIECE, file.size));
      await sink.write(await stream.decrypt(piece));
    }
    const tag = await spool.read(file.size, file.size + TAG);
    if (!equal(stream.tag(), tag)) throw error("attachment.corrupt");
  } catch (problem) {
    await sink.discard();
    throw problem;
  }
  await sink.finish();
}

/** Whether a spool holds the ciphertext that the message spoke of. */
export async function hashHolds(spool: Spool, expected: Uint8Array): Promise<boolean> {
  const hash = sha256.create();
  const size = await spool.size();
  for (let at = 0; at < size; at += PIECE) hash.update(await spool.read(at, at + PIECE));
  return equal(hash.digest(), expected);
}

/** What a message says of a file that the relay holds under `id`. */
export function attachmentOf(
  sealed: Sealed,
  server: string,
  id: Uint8Array,
  media: Media | null = null,
): Attachment {
  const { key, nonce, hash, size, contentType, name } = sealed;
  const url = `mimi://${server}/a/${toBase64(id)}`;
  return {
    kind: "attachment",
    url,
    key,
    nonce,
    hash,
    size,
    contentType,
    filename: name,
    description: "",
    media,
  };
}

/** The id in a URL of this relay. Throws attachment.unknown. */
export function attachmentId(url: string, server: string): Bytes {
  const start = `mimi://${server}/a/`;
  if (!url.startsWith(start)) throw error("attachment.unknown");
  try {
    return fromBase64(url.slice(start.length), 32);
  } catch {
    throw error("attachment.unknown");
  }
}

async function slice(file: Blob, at: number): Promise<Bytes> {
  try {
    return new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer());
  } catch {
    throw error("file.unreadable");
  }
}
