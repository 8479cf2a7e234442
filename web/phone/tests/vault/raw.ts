/** A database as its file is: what somebody sees and does who has no key. */

/// <reference types="node" />

import { type IDBPDatabase, openDB } from "idb";

export interface RawRecord {
  store: string;
  key: IDBValidKey;
  value: unknown;
}

export async function withRaw<T>(
  name: string,
  work: (database: IDBPDatabase) => Promise<T>,
): Promise<T> {
  const database = await openDB(name);
  try {
    return await work(database);
  } finally {
    database.close();
  }
}

export function dump(name: string): Promise<RawRecord[]> {
  return withRaw(name, async (database) => {
    const all: RawRecord[] = [];
    for (const store of database.objectStoreNames) {
      const keys = await database.getAllKeys(store);
      const values = await database.getAll(store);
      all.push(...keys.map((key, i) => ({ store, key, value: values[i] })));
    }
    return all;
  });
}

/** Put it back as it was: everything else goes. */
export function restore(name: string, records: RawRecord[]): Promise<void> {
  return withRaw(name, async (database) => {
    for (const store of database.objectStoreNames) await database.clear(store);
    for (const { store, key, value } of records) await database.put(store, value, key);
  });
}

export const keyOf = (record: RawRecord) => Buffer.from(record.key as ArrayBuffer).toString("hex");

/** Every byte and letter of it, for looking for what should not be there. */
export function bytesOf(records: unknown): Buffer {
  const parts: Buffer[] = [];
  const walk = (value: unknown): void => {
    if (value instanceof ArrayBuffer) parts.push(Buffer.from(value));
    else if (ArrayBuffer.isView(value))
      parts.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
    else if (typeof value === "string") parts.push(Buffer.from(value));
    else if (Array.isArray(value)) value.forEach(walk);
    else if (typeof value === "object" && value !== null)
      for (const [name, one] of Object.entries(value)) [name, one].forEach(walk);
    else parts.push(Buffer.from(String(value)));
  };
  walk(records);
  return Buffer.concat(parts);
}
