/**
 * Files on their way, encrypted and decrypted piece by piece (docs/protocol.md section 9): AES-256-GCM, the tag at
 * the end of the ciphertext, which its SHA-256 stands for in the message.
 *
 * A ciphertext is kept nowhere. What is kept is the file, encrypted for this device alone; what goes out is made
 * from it when it is asked for, and what comes in is turned into it as it comes. One key and nonce are made for one
 * file, which does not change: the same piece is the same bytes each time.
 */

import { createSHA256, type IHasher } from "hash-wasm";
import { fromBase64, toBase64 } from "../wire/api";
import { type Bytes, concat, equal, randomBytes } from "../wire/bytes";
import { type Attachment, type Media, safeName } from "../wire/content";
import { error } from "../wire/errors";
import { BLOCK, counted, GcmStream, MOST, TAG } from "./gcm";

export const PIECE = 256 * 1024;
/** As much of a ciphertext as is opened at once: a chunk of the file at rest. */
const CHUNK = 64 * 1024;

/** A file as it travels: what its message says but for the URL, and the tag. `size` of the file's own bytes. */
export interface Sealed {
  key: Bytes;
  nonce: Bytes;
  hash: Bytes;
  tag: Bytes;
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

/** Takes a file from its beginning, or from where it was cut off. It ends with one of the last three. */
export interface Sink {
  write(piece: Bytes): Promise<void>;
  /** All is there, and true. */
  finish(): Promise<unknown>;
  /** It goes on later. */
  pause(): Promise<void>;
  /** It is not what it should be: nothing of it may be left. */
  discard(): Promise<void>;
}

// --- out

/**
 * Read a file once, into `sink`, and work out its ciphertext's hash and tag. The sink is the caller's to end.
 * Throws file.unreadable, attachment.too_large, or what the sink throws.
 */
export async function seal(
  file: Blob,
  name: string,
  sink: Pick<Sink, "write">,
  { progress, signal }: Options = {},
): Promise<Sealed> {
  if (file.size > MOST) throw error("attachment.too_large");
  const [key, nonce] = [randomBytes(32), randomBytes(12)];
  const stream = await GcmStream.start(key, nonce);
  const hash = await createSHA256();
  for (let at = 0; at < file.size; at += PIECE) {
    signal?.throwIfAborted();
    const piece = await slice(file, at);
    hash.update(await stream.encrypt(piece));
    await sink.write(piece);
    progress?.(Math.min(at + PIECE, file.size), file.size);
  }
  const tag = stream.tag();
  hash.update(tag);
  const contentType = file.type || "application/octet-stream";
  const made = { key, nonce, tag, hash: digestOf(hash) };
  return { ...made, size: file.size, contentType, name: safeName(name) };
}

/** A ciphertext that is made as it is read. */
export class Outgoing {
  /** `plain` gives the file's bytes from `start` to `end`. */
  constructor(
    private readonly sealed: Pick<Sealed, "key" | "nonce" | "tag" | "size">,
    private readonly plain: (start: number, end: number) => Promise<Bytes>,
  ) {}

  get size(): number {
    return this.sealed.size + TAG;
  }

  /** Its bytes from `start` to `end`, or to where it ends. */
  async read(start: number, end: number): Promise<Bytes> {
    const { key, nonce, tag, size } = this.sealed;
    const from = Math.min(start - (start % BLOCK), size);
    const to = Math.min(end, size);
    const body =
      from < to
        ? (await counted(key, nonce, from, await this.plain(from, to))).subarray(start - from)
        : new Uint8Array(0);
    return concat(body, tag.subarray(Math.max(0, start - size), Math.max(0, end - size)));
  }
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

// --- in

/** A ciphertext as it comes: opened chunk by chunk into a sink, which nobody reads before all of it was checked. */
export class Arriving {
  private readonly waiting = new Uint8Array(CHUNK + TAG);
  private filled = 0;
  private opened = 0;

  private constructor(
    private readonly file: Opening,
    private readonly stream: GcmStream,
    private readonly hash: IHasher,
  ) {}

  static async of(file: Opening): Promise<Arriving> {
    if (file.size > MOST) throw error("attachment.too_large");
    return new Arriving(file, await GcmStream.start(file.key, file.nonce), await createSHA256());
  }

  /** Bytes of the ciphertext in all. */
  get size(): number {
    return this.file.size + TAG;
  }

  /** Bytes of it so far. */
  get received(): number {
    return this.opened + this.filled;
  }

  /** A chunk that an earlier run has opened. */
  async again(chunk: Bytes): Promise<void> {
    this.hash.update(await this.stream.encrypt(chunk));
    this.opened += chunk.length;
  }

  /** Throws attachment.corrupt for more than there should be, and what the sink throws. */
  async take(piece: Uint8Array, sink: Pick<Sink, "write">): Promise<void> {
    if (this.received + piece.length > this.size) throw error("attachment.corrupt");
    let rest = piece;
    while (rest.length > 0) {
      const taken = rest.subarray(0, this.waiting.length - this.filled);
      this.waiting.set(taken, this.filled);
      this.filled += taken.length;
      rest = rest.subarray(taken.length);
      // The last TAG bytes may be the tag: they are held back.
      if (this.filled === this.waiting.length) await this.#open(CHUNK, sink);
    }
  }

  /** All is here: what is left goes into the sink. Throws attachment.corrupt where it is not what was sent. */
  async check(sink: Pick<Sink, "write">): Promise<void> {
    if (this.received !== this.size) throw error("attachment.corrupt");
    await this.#open(this.filled - TAG, sink);
    const tag = this.waiting.subarray(0, TAG);
    this.hash.update(tag);
    const holds = equal(this.stream.tag(), tag) && equal(digestOf(this.hash), this.file.hash);
    if (!holds) throw error("attachment.corrupt");
  }

  async #open(length: number, sink: Pick<Sink, "write">): Promise<void> {
    const chunk = this.waiting.slice(0, length);
    this.hash.update(chunk);
    await sink.write(await this.stream.decrypt(chunk));
    this.waiting.copyWithin(0, length, this.filled);
    this.filled -= length;
    this.opened += length;
  }
}

function digestOf(hash: IHasher): Bytes {
  return new Uint8Array(hash.digest("binary"));
}
