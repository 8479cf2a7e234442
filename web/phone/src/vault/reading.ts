/** How the store's records are asked for in IndexedDB. */

import type { Bytes } from "../wire/bytes";

export type Reading = {
  get(key: IDBValidKey): Promise<unknown>;
  getAll(range: IDBKeyRange, count?: number): Promise<unknown[]>;
  getAllKeys(range: IDBKeyRange, count?: number): Promise<IDBValidKey[]>;
  openKeyCursor(range: IDBKeyRange, direction: IDBCursorDirection): Promise<Cursor | null>;
};

interface Cursor {
  readonly key: IDBValidKey;
  advance(count: number): Promise<Cursor | null>;
}

/** The part of `bounds` that holds its last few records: `getAll` reads from the front alone. */
export async function lastOf(
  records: Reading,
  bounds: IDBKeyRange,
  limit: number,
): Promise<IDBKeyRange> {
  const last = await records.openKeyCursor(bounds, "prev");
  if (!last || limit === 1) return last ? IDBKeyRange.only(last.key) : bounds;
  const first = await last.advance(limit - 1);
  return first ? IDBKeyRange.bound(first.key, bounds.upper) : bounds;
}

/** A place as IndexedDB orders it. */
export function key(place: Bytes): ArrayBuffer {
  return place.buffer.slice(place.byteOffset, place.byteOffset + place.byteLength);
}

export function numberOf(place: Bytes): number {
  return Number(new DataView(place.buffer, place.byteOffset).getBigUint64(24));
}
