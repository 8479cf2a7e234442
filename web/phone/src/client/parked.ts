/**
 * Messages of an epoch that is not reached yet, until it is. Nobody has checked them, so a sender could fill a phone
 * with them: they are bounded by number and by bytes, in a conversation and in all. What is too much goes, the oldest
 * first, and of the conversation that holds most, so that a flood in one pushes out nothing of another.
 */

import type { Bytes } from "../wire/bytes";
import type { Core, Tx } from "./core";
import { type HeldRow, tables } from "./rows";

/** In one conversation. */
export const MAX_HELD = 1000;
export const MAX_HELD_BYTES = 8 * 1024 * 1024;
/** In all of them. */
export const MAX_ALL_BYTES = 32 * 1024 * 1024;

export class Parked {
  constructor(
    private readonly core: Core,
    private readonly most = { count: MAX_HELD, bytes: MAX_HELD_BYTES, all: MAX_ALL_BYTES },
  ) {}

  async add(tx: Tx, conversation: string, payload: Uint8Array, at: number): Promise<void> {
    const row = await tx.change.next("held");
    const held: HeldRow = { row, conversation, at, payload: new Uint8Array(payload) as Bytes };
    tx.change.put(tables.held, conversation, held, row);
    this.core.book.parked.put(tx.change, { row, conversation, bytes: payload.length });
    this.#bound(tx, conversation);
  }

  async of(tx: Tx, conversation: string): Promise<HeldRow[]> {
    return (await tx.change.range(tables.held, conversation)).map(({ value }) => value);
  }

  drop(tx: Tx, conversation: string, row: number): void {
    tx.change.delete(tables.held, conversation, row);
    this.core.book.parked.delete(tx.change, row);
  }

  #bound(tx: Tx, conversation: string): void {
    const sizes = this.#sizes();
    const own = sizes.get(conversation) ?? { rows: [], bytes: 0 };
    const dropOldest = (id: string, from: typeof own): void => {
      const oldest = from.rows.shift();
      if (oldest === undefined) return;
      from.bytes -= oldest.bytes;
      this.drop(tx, id, oldest.row);
    };
    while (own.rows.length > this.most.count || own.bytes > this.most.bytes)
      dropOldest(conversation, own);
    while (sum(sizes.values()) > this.most.all) {
      const [id, most] = [...sizes].reduce((a, b) => (b[1].bytes > a[1].bytes ? b : a));
      dropOldest(id, most);
    }
  }

  /** By conversation, the oldest first. */
  #sizes(): Map<string, { rows: { row: number; bytes: number }[]; bytes: number }> {
    const sizes = new Map<string, { rows: { row: number; bytes: number }[]; bytes: number }>();
    for (const { row, conversation, bytes } of this.core.book.parked.all()) {
      const found = sizes.get(conversation) ?? { rows: [], bytes: 0 };
      found.rows.push({ row, bytes });
      found.bytes += bytes;
      sizes.set(conversation, found);
    }
    return sizes;
  }
}

/** All that waits in a conversation goes with it. */
export async function forgetParked(core: Core, tx: Tx, conversation: string): Promise<void> {
  for (const { number } of await tx.change.range(tables.held, conversation)) {
    tx.change.delete(tables.held, conversation, number);
    core.book.parked.delete(tx.change, number);
  }
}

const sum = (sizes: Iterable<{ bytes: number }>): number =>
  [...sizes].reduce((total, { bytes }) => total + bytes, 0);
