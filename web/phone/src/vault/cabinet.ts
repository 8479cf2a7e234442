/** Where files lie: the origin private file system, or IndexedDB where there is none. Bytes in, bytes out. */

import type { IDBPDatabase } from "idb";
import type { Bytes } from "../wire/bytes";
import { error } from "../wire/errors";
import { deleteDatabase, openDatabase, storageFailure } from "./database";

export const FILES = "chappe-files";

export interface CabinetWriter {
  write(data: Bytes): Promise<void>;
  close(): Promise<void>;
  /** Nothing stays of it. */
  abort(): Promise<void>;
}

export interface Cabinet {
  create(id: string): Promise<CabinetWriter>;
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
    const name = problem instanceof DOMException ? problem.name : "";
    if (name === "NotFoundError") throw error("storage.failed", "The file is not here any more.");
    throw storageFailure(problem);
  }
}

export class FolderCabinet implements Cabinet {
  private constructor(
    private readonly root: FileSystemDirectoryHandle,
    private readonly folder: FileSystemDirectoryHandle,
  ) {}

  /** Null where the browser has no such file system, or cannot write to it from here. */
  static async open(): Promise<FolderCabinet | null> {
    try {
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle(FILES, { create: true });
      // Older Safari has the folder, and no streams into it.
      const streams = "createWritable" in FileSystemFileHandle.prototype;
      return streams ? new FolderCabinet(root, folder) : null;
    } catch {
      return null;
    }
  }

  async create(id: string): Promise<CabinetWriter> {
    return told(async () => {
      const handle = await this.folder.getFileHandle(id, { create: true });
      const stream = await handle.createWritable();
      return {
        write: (data) => told(() => stream.write(data)),
        close: () => told(() => stream.close()),
        abort: async () => {
          await stream.abort().catch(() => {});
          await this.delete(id);
        },
      };
    });
  }

  async read(id: string, start: number, end: number): Promise<Bytes> {
    return told(async () => {
      const file = await (await this.folder.getFileHandle(id)).getFile();
      return new Uint8Array(await file.slice(start, end).arrayBuffer());
    });
  }

  async delete(id: string): Promise<void> {
    await this.folder.removeEntry(id).catch((problem: unknown) => {
      if (!(problem instanceof DOMException && problem.name === "NotFoundError"))
        throw storageFailure(problem);
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

  async create(id: string): Promise<CabinetWriter> {
    let number = 0;
    let filled: Bytes = new Uint8Array(0);
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
