/**
 * Files at rest, each under a key of its own, in chunks, so that a long one is never whole in memory.
 *
 *     chunk i   nonce || AES-256-GCM(64 KiB), the nonce 12 random bytes
 *     aad       "chappe file v2" || id || i in 8 bytes || 1 for the last chunk, else 0
 *
 * A chunk that is moved, missing, or cut off at the end does not open (as in the STREAM construction of Hoang,
 * Reyhanitabar, Rogaway and Vizár, 2015). Nonces are random and not counted: a file whose writing was cut off goes
 * on, and a chunk that was half written then is written again, perhaps with other bytes. A key is made for one file
 * and seals no more than some thousand chunks. Keys are the caller's to keep, in the store: a file whose record is
 * deleted is bytes that nothing opens.
 *
 * They lie in the origin private file system under names that say nothing; where there is none, in IndexedDB.
 */

import { type Bytes, bigEndian, concat, fromHex, randomBytes, toHex, utf8 } from "../wire/bytes";
import { error } from "../wire/errors";
import type { Cabinet, CabinetWriter } from "./cabinet";

export const CHUNK = 64 * 1024;
const NONCE = 12;
const TAG = 16;
const SEALED = NONCE + CHUNK + TAG;
const CONTEXT = utf8("chappe file v2");
/** Read at once by those who read it all, in bytes of the file. */
const STEP = 16 * CHUNK;

/** A file's name in the cabinet, 16 bytes in hex, and its key. */
export interface FileName {
  id: string;
  key: Bytes;
}

/** What the store keeps of a file. `size` in bytes. */
export interface FileAtRest extends FileName {
  size: number;
}

export class Files {
  constructor(private readonly cabinet: Cabinet) {}

  /** Of a file that is to be written. */
  newName(): FileName {
    return { id: toHex(randomBytes(16)), key: randomBytes(32) };
  }

  /**
   * Write a file, or go on with one whose writing was cut off: `seen` is given what is there of it, in order, CHUNK
   * bytes each. Raises storage.full, storage.failed.
   */
  async writer(
    name: FileName,
    seen: (chunk: Bytes) => Promise<void> = async () => {},
  ): Promise<FileWriter> {
    const key = await imported(name.key);
    const most = Math.floor((await this.cabinet.size(name.id)) / SEALED);
    let count = 0;
    for (; count < most; count++) {
      const sealed = await this.cabinet.read(name.id, count * SEALED, (count + 1) * SEALED);
      const opened = await open(key, name.id, count, false, sealed);
      // From here on it is not as it was written: a crash of the machine may leave that.
      if (opened === null) break;
      await seen(opened);
    }
    return new FileWriter(name, key, await this.cabinet.open(name.id, count * SEALED), count);
  }

  /** Write all of it; nothing is left where that fails. Raises storage.full, storage.failed. */
  async write(content: ReadableStream<Uint8Array>): Promise<FileAtRest> {
    const writer = await this.writer(this.newName());
    const reader = content.getReader();
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read())
        await writer.write(next.value);
      return await writer.finish();
    } catch (problem) {
      await writer.discard();
      throw problem;
    } finally {
      await reader.cancel().catch(() => {});
    }
  }

  /** Bytes from `start` to `end`, or to where the file ends. Raises storage.failed where it is damaged. */
  async slice({ id, key, size }: FileAtRest, start: number, end: number): Promise<Bytes> {
    const [first, past] = [Math.floor(start / CHUNK), Math.ceil(Math.min(end, size) / CHUNK)];
    const last = Math.max(0, Math.ceil(size / CHUNK) - 1);
    const sealed = await this.cabinet.read(id, first * SEALED, Math.max(past, first + 1) * SEALED);
    const opening = await imported(key);
    const opened: Bytes[] = [];
    for (let i = first; i < Math.max(past, first + 1) && i <= last; i++) {
      const at = (i - first) * SEALED;
      const length = i === last ? size - i * CHUNK : CHUNK;
      const one = sealed.subarray(at, at + NONCE + length + TAG);
      const chunk = await open(opening, id, i, i === last, one);
      if (chunk?.length !== length)
        throw error("storage.failed", "A file kept here is damaged; ask for it again.");
      opened.push(chunk);
    }
    return concat(...opened).subarray(start - first * CHUNK, end - first * CHUNK);
  }

  /** Its bytes, as they are asked for. The stream fails with storage.failed where the file is damaged, and with `signal`. */
  read(file: FileAtRest, signal?: AbortSignal): ReadableStream<Bytes> {
    let at = 0;
    return new ReadableStream<Bytes>(
      {
        pull: async (out) => {
          signal?.throwIfAborted();
          const piece = await this.slice(file, at, at + STEP);
          at += STEP;
          if (piece.length > 0) out.enqueue(piece);
          if (at >= file.size) out.close();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** All of it at once, for a page to show. Raises storage.failed, and what `signal` says. */
  async blob(file: FileAtRest, type: string, signal?: AbortSignal): Promise<Blob> {
    const parts: Blob[] = [];
    const reader = this.read(file, signal).getReader();
    // What a blob holds is the browser's, not this worker's memory.
    for (let next = await reader.read(); !next.done; next = await reader.read())
      parts.push(new Blob([next.value]));
    return new Blob(parts, { type });
  }

  /** Bytes of a file that are there whole, whether or not it was finished. */
  async written(id: string): Promise<number> {
    return Math.floor((await this.cabinet.size(id)) / SEALED) * CHUNK;
  }

  /** Whether or not it is there. */
  delete(id: string): Promise<void> {
    return this.cabinet.delete(id);
  }

  /**
   * Delete what no record names: files whose writing, or whose record's, was cut off. One that cannot go now, since
   * somebody holds it still, is for the next time: nobody is kept out for it.
   */
  async sweep(known: ReadonlySet<string>): Promise<void> {
    for (const id of await this.cabinet.list())
      if (!known.has(id)) await this.cabinet.delete(id).catch(() => {});
  }
}

/** Takes a file from its beginning, or from where it was cut off, to its end. Ends with one of the last three. */
export class FileWriter {
  private readonly buffer = new Uint8Array(CHUNK);
  private filled = 0;

  constructor(
    private readonly name: FileName,
    private readonly key: CryptoKey,
    private readonly writer: CabinetWriter,
    private index: number,
  ) {}

  /** Bytes of the file so far. */
  get size(): number {
    return this.index * CHUNK + this.filled;
  }

  async write(data: Uint8Array): Promise<void> {
    let rest = data;
    while (rest.length > 0) {
      // A full buffer goes out only when more comes after it: the last one is marked.
      if (this.filled === CHUNK) await this.#put(false);
      const taken = rest.subarray(0, CHUNK - this.filled);
      this.buffer.set(taken, this.filled);
      this.filled += taken.length;
      rest = rest.subarray(taken.length);
    }
  }

  async finish(): Promise<FileAtRest> {
    const { size } = this;
    await this.#put(true);
    await this.writer.close();
    return { ...this.name, size };
  }

  /** To go on with it later: what is not a whole chunk is forgotten. */
  async pause(): Promise<void> {
    this.buffer.fill(0);
    await this.writer.close();
  }

  /** Nothing is left of it. */
  async discard(): Promise<void> {
    this.buffer.fill(0);
    await this.writer.abort();
  }

  async #put(last: boolean): Promise<void> {
    const nonce = randomBytes(NONCE);
    const chunk = this.buffer.subarray(0, this.filled);
    const how = parameters(this.name.id, this.index, last, nonce);
    const sealed = await crypto.subtle.encrypt(how, this.key, chunk);
    await this.writer.write(concat(nonce, new Uint8Array(sealed)));
    this.index++;
    this.filled = 0;
    this.buffer.fill(0);
  }
}

function imported(key: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]);
}

/** Null for what is not that chunk. */
async function open(
  key: CryptoKey,
  id: string,
  index: number,
  last: boolean,
  sealed: Bytes,
): Promise<Bytes | null> {
  try {
    const how = parameters(id, index, last, sealed.subarray(0, NONCE));
    return new Uint8Array(await crypto.subtle.decrypt(how, key, sealed.subarray(NONCE)));
  } catch {
    return null;
  }
}

function parameters(id: string, index: number, last: boolean, iv: Bytes): AesGcmParams {
  const place = concat(bigEndian(index, 8), bigEndian(last ? 1 : 0, 1));
  return { name: "AES-GCM", iv, additionalData: concat(CONTEXT, fromHex(id), place) };
}
