/**
 * A spool in the origin's private file system: it outlives the worker, so that what was cut off by a kill goes on
 * later. For a dedicated worker alone (FileSystemSyncAccessHandle). One at a time holds a file.
 */

import type { Bytes } from "../wire/bytes";
import { type ChappeError, error } from "../wire/errors";
import type { Sink, Spool } from "./spool";

const FOLDER = "spool";

export class OpfsSpool implements Spool, Sink {
  private constructor(private readonly file: FileSystemSyncAccessHandle) {}

  /** The spool of that name, new or as it was left. Throws storage.locked where somebody has it open, storage.*. */
  static async open(name: string): Promise<OpfsSpool> {
    try {
      const file = await (await folder()).getFileHandle(name, { create: true });
      return new OpfsSpool(await file.createSyncAccessHandle());
    } catch (problem) {
      throw failure(problem);
    }
  }

  /** Those that are there: an upload or a download that was not finished. */
  static async names(): Promise<string[]> {
    const found: string[] = [];
    for await (const name of (await folder()).keys()) found.push(name);
    return found.sort();
  }

  /** For good; it must not be open. */
  static async remove(name: string): Promise<void> {
    try {
      await (await folder()).removeEntry(name);
    } catch (problem) {
      if (!(problem instanceof DOMException && problem.name === "NotFoundError")) {
        throw failure(problem);
      }
    }
  }

  async size(): Promise<number> {
    return this.file.getSize();
  }

  async append(piece: Bytes): Promise<void> {
    try {
      const written = this.file.write(piece, { at: this.file.getSize() });
      this.file.flush();
      if (written !== piece.length) throw error("storage.full");
    } catch (problem) {
      throw failure(problem);
    }
  }

  async read(start: number, end: number): Promise<Bytes> {
    const data = new Uint8Array(Math.max(0, Math.min(end, this.file.getSize()) - start));
    const length = this.file.read(data, { at: start });
    return data.subarray(0, length);
  }

  async clear(): Promise<void> {
    this.file.truncate(0);
    this.file.flush();
  }

  write(piece: Bytes): Promise<void> {
    return this.append(piece);
  }

  async finish(): Promise<void> {}

  discard(): Promise<void> {
    return this.clear();
  }

  /** Let others open it. */
  close(): void {
    this.file.close();
  }
}

async function folder(): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(FOLDER, { create: true });
}

function failure(problem: unknown): ChappeError {
  const name = problem instanceof DOMException ? problem.name : "";
  if (name === "QuotaExceededError") return error("storage.full");
  return error(name === "NoModificationAllowedError" ? "storage.locked" : "storage.failed");
}
