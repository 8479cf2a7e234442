/**
 * Files at rest, each under a key of its own, in chunks, so that a long one is never whole in memory.
 *
 *     chunk i   AES-256-GCM(64 KiB), nonce = i in 11 bytes || 1 for the last chunk, else 0
 *     aad       "chappe file v1" || id
 *
 * That is the STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizár, 2015): a chunk that is moved,
 * missing, or cut off at the end does not open. The key is made for one file, so no nonce comes twice. Keys are
 * the caller's to keep, in the store: a file whose record is deleted is bytes that nothing opens.
 *
 * They lie in the origin private file system under names that say nothing; where there is none, in IndexedDB.
 */

import { type Bytes, bigEndian, concat, fromHex, randomBytes, toHex, utf8 } from "../wire/bytes";
import { error } from "../wire/errors";
import { wipe } from "./bytes";
import type { Cabinet } from "./cabinet";

export const CHUNK = 64 * 1024;
const TAG = 16;
const CONTEXT = utf8("chappe file v1");

/** What the store keeps of a file. `size` in bytes. */
export interface FileAtRest {
  /** 16 bytes in hex: its name in the cabinet. */
  id: string;
  key: Bytes;
  size: number;
}

export class Files {
  constructor(private readonly cabinet: Cabinet) {}

  /** Write all of it; nothing is left where that fails. Raises storage.full, storage.failed. */
  async write(content: ReadableStream<Uint8Array>): Promise<FileAtRest> {
    const id = toHex(randomBytes(16));
    const key = randomBytes(32);
    const sealing = await imported(key, "encrypt");
    const writer = await this.cabinet.create(id);
    let size = 0;
    try {
      let index = 0;
      for await (const { chunk, last } of chunked(content)) {
        size += chunk.length;
        const sealed = await crypto.subtle.encrypt(parameters(id, index++, last), sealing, chunk);
        await writer.write(new Uint8Array(sealed));
      }
      await writer.close();
    } catch (problem) {
      await writer.abort();
      wipe(key);
      throw problem;
    }
    return { id, key, size };
  }

  /** Its bytes, as they are asked for. The stream fails with storage.failed where the file is damaged. */
  read({ id, key, size }: FileAtRest): ReadableStream<Bytes> {
    let index = 0;
    const count = Math.max(1, Math.ceil(size / CHUNK));
    const opening = imported(key, "decrypt");
    return new ReadableStream<Bytes>({
      pull: async (out) => {
        const last = index === count - 1;
        const length = last ? size - index * CHUNK : CHUNK;
        const at = index * (CHUNK + TAG);
        const sealed = await this.cabinet.read(id, at, at + length + TAG);
        try {
          const opened = await crypto.subtle.decrypt(
            parameters(id, index, last),
            await opening,
            sealed,
          );
          if (length > 0) out.enqueue(new Uint8Array(opened));
        } catch {
          throw error("storage.failed", "A file kept here is damaged; ask for it again.");
        }
        index++;
        if (last) out.close();
      },
    });
  }

  /** All of it at once, for a page to show. Raises storage.failed. */
  async blob(file: FileAtRest, type: string): Promise<Blob> {
    const parts: Bytes[] = [];
    const reader = this.read(file).getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read())
      parts.push(next.value);
    return new Blob(parts, { type });
  }

  /** Whether or not it is there. */
  delete(id: string): Promise<void> {
    return this.cabinet.delete(id);
  }

  /** Delete what no record names: files whose writing, or whose record's, was cut off. */
  async sweep(known: ReadonlySet<string>): Promise<void> {
    for (const id of await this.cabinet.list()) if (!known.has(id)) await this.cabinet.delete(id);
  }
}

function imported(key: Bytes, use: "encrypt" | "decrypt"): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", key, "AES-GCM", false, [use]);
}

function parameters(id: string, index: number, last: boolean): AesGcmParams {
  const iv = concat(bigEndian(index, 11), bigEndian(last ? 1 : 0, 1));
  return { name: "AES-GCM", iv, additionalData: concat(CONTEXT, fromHex(id)) };
}

/** Pieces of CHUNK bytes and a last one, which may be empty only if it is the first. */
async function* chunked(
  content: ReadableStream<Uint8Array>,
): AsyncGenerator<{ chunk: Bytes; last: boolean }> {
  const reader = content.getReader();
  const buffer = new Uint8Array(CHUNK);
  let filled = 0;
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      let rest: Uint8Array = next.value;
      while (rest.length > 0) {
        // A full buffer goes out only when more comes after it: the last one is marked.
        if (filled === CHUNK) {
          yield { chunk: buffer, last: false };
          filled = 0;
        }
        const taken = rest.subarray(0, CHUNK - filled);
        buffer.set(taken, filled);
        filled += taken.length;
        rest = rest.subarray(taken.length);
      }
    }
    yield { chunk: buffer.subarray(0, filled), last: true };
  } finally {
    buffer.fill(0);
    await reader.cancel().catch(() => {});
  }
}
