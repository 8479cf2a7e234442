/** Where files lie: the origin private file system, or IndexedDB where there is none. Bytes in, bytes out. */

import type { IDBPDatabase } from "idb";
import type { Bytes } from "../wire/bytes";
import { error } from "../wire/errors";
import { deleteDatabase, openDatabase, storageFailure } from "./database";

export const FILES = "chappe-files";
const HELD_TRIES = 30;
const HELD_PAUSE_MS = 100;

export interface CabinetWriter {
  write(data: Bytes): Promise<void>;
  /** What was written stays, and others may open the file. */
  close(): Promise<void>;
  /** Nothing stays of it. */
  abort(): Promise<void>;
}

export interface Cabinet {
  /**
   * Write a file from byte `at` on: 0 for a new one. What was there behind that is gone. One at a time holds a
   * file; what a killed program has written may end anywhere.
   */
  open(id: string, at: number): Promise<CabinetWriter>;
  /** Bytes that are there; 0 where there is no such file. */
  size(id: string): Promise<number>;
  /** Bytes from `start` to `end`; fewer where it ends before. Raises storage.failed where there is none. */
  read(id: string, start: number, end: number): Promise<Bytes>;
  delete(id: string): Promise<void>;
  list(): Promise<string[]>;
  /** All of it goes. */
  destroy(): Promise<void>;
}

/** The one that this browser has. */
export async function openCabinet(): Promise<Cabinet> {
  return (await FolderCabinet.open()) ?? DatabaseCabinet.open();
}

/** Runs it, and gives the typed error for what the browser said. */
async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (problem) {
    const name = nameOf(problem);
    if (name === "NotFoundError") throw error("storage.failed", "The file is not here any more.");
    if (name === "NoModificationAllowedError") throw error("storage.locked");
    throw storageFailure(problem);
  }
}

const nameOf = (problem: unknown): string =>
  problem instanceof DOMException || problem instanceof Error ? problem.name : "";

/**
 * In the origin private file system, written in place by FileSystemSyncAccessHandle, which dedicated workers alone
 * have: what is written survives the worker's end at any point.
 */
export class FolderCabinet implements Cabinet {
  private constructor(
    private readonly root: FileSystemDirectoryHandle,
    private readonly folder: FileSystemDirectoryHandle,
  ) {}

  /** Null where the browser has no such file system, or not from here. */
  static async open(): Promise<FolderCabinet | null> {
    try {
      if (!("createSyncAccessHandle" in FileSystemFileHandle.prototype)) return null;
      const root = await navigator.storage.getDirectory();
      return new FolderCabinet(root, await root.getDirectoryHandle(FILES, { create: true }));
    } catch {
      return null;
    }
  }

  async open(id: string, at: number): Promise<CabinetWriter> {
    const handle = await told(async () =>
      held(await this.folder.getFileHandle(id, { create: true })),
    );
    let end = at;
    await told(async () => handle.truncate(at)).catch((problem) => {
      handle.close();
      throw problem;
    });
    return {
      write: (data) =>
        told(async () => {
          const written = handle.write(data, { at: end });
          end += written;
          if (written < data.length) throw error("storage.full");
        }),
      close: () =>
        told(async () => {
          try {
            handle.flush();
          } finally {
            handle.close();
          }
        }),
      abort: async () => {
        handle.close();
        await this.delete(id);
      },
    };
  }

  async size(id: string): Promise<number> {
    try {
      return (await (await this.folder.getFileHandle(id)).getFile()).size;
    } catch (problem) {
      if (nameOf(problem) === "NotFoundError") return 0;
      throw storageFailure(problem);
    }
  }

  async read(id: string, start: number, end: number): Promise<Bytes> {
    return told(async () => {
      const file = await (await this.folder.getFileHandle(id)).getFile();
      return new Uint8Array(await file.slice(start, end).arrayBuffer());
    });
  }

  async delete(id: string): Promise<void> {
    await this.folder.removeEntry(id).catch((problem: unknown) => {
      if (nameOf(problem) !== "NotFoundError") throw storageFailure(problem);
    });
  }

  async list(): Promise<string[]> {
    return told(async () => {
      const names: string[] = [];
      for await (const name of this.folder.keys()) names.push(name);
      return names;
    });
  }

  async destroy(): Promise<void> {
    await told(() => this.root.removeEntry(FILES, { recursive: true }));
  }
}

/** A worker that was just ended may hold its file a moment longer. */
async function held(file: FileSystemFileHandle): Promise<FileSystemSyncAccessHandle> {
  for (let left = HELD_TRIES; ; left--) {
    try {
      return await file.createSyncAccessHandle();
    } catch (problem) {
      if (nameOf(problem) !== "NoModificationAllowedError" || left === 0) throw problem;
      await new Promise((go) => setTimeout(go, HELD_PAUSE_MS));
    }
  }
}

const PARTS = "parts";
/** As many bytes as one record holds. */
const PART = 256 * 1024;

/** Parts of a file under [id, number]; the key of the last says how long it is. */
export class DatabaseCabinet implements Cabinet {
  private constructor(
    private readonly database: IDBPDatabase,
    private readonly name: string,
  ) {}

  static async open(name = FILES): Promise<DatabaseCabinet> {
    return new DatabaseCabinet(await openDatabase(name, [PARTS]), name);
  }

  async open(id: string, at: number): Promise<CabinetWriter> {
    let number = Math.floor(at / PART);
    let filled: Bytes = new Uint8Array(0);
    await told(async () => {
      const begun: Bytes | undefined = await this.database.get(PARTS, [id, number]);
      filled = begun?.slice(0, at % PART) ?? filled;
      await this.database.delete(PARTS, IDBKeyRange.bound([id, number], [id, []]));
    });
    const put = (part: Bytes) =>
      told(async () => void (await this.database.put(PARTS, part, [id, number++])));
    return {
      write: async (data) => {
        const all = new Uint8Array(filled.length + data.length);
        all.set(filled);
        all.set(data, filled.length);
        filled = all;
        for (; filled.length >= PART; filled = filled.slice(PART)) await put(filled.slice(0, PART));
      },
      close: () => put(filled),
      abort: () => this.delete(id),
    };
  }

  async size(id: string): Promise<number> {
    return told(async () => {
      const all = IDBKeyRange.bound([id, 0], [id, []]);
      const cursor = await this.database.transaction(PARTS).store.openCursor(all, "prev");
      if (cursor === null) return 0;
      const [, number] = cursor.key as unknown as [string, number];
      return number * PART + (cursor.value as Bytes).length;
    });
  }

  async read(id: string, start: number, end: number): Promise<Bytes> {
    return told(async () => {
      const [first, last] = [Math.floor(start / PART), Math.floor(Math.max(start, end - 1) / PART)];
      const parts: Bytes[] = await this.database.getAll(
        PARTS,
        IDBKeyRange.bound([id, first], [id, last]),
      );
      if (parts.length === 0) throw error("storage.failed", "The file is not here any more.");
      const all = new Uint8Array(await new Blob(parts).arrayBuffer());
      return all.slice(start - first * PART, end - first * PART);
    });
  }

  async delete(id: string): Promise<void> {
    await told(() => this.database.delete(PARTS, IDBKeyRange.bound([id, 0], [id, []])));
  }

  async list(): Promise<string[]> {
    return told(async () => {
      const keys = (await this.database.getAllKeys(PARTS)) as [string, number][];
      return [...new Set(keys.map(([id]) => id))];
    });
  }

  close(): void {
    this.database.close();
  }

  async destroy(): Promise<void> {
    this.database.close();
    await deleteDatabase(this.name);
  }
}
