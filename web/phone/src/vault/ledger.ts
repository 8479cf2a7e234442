/**
 * Which batch last wrote each row of the guarded tables.
 *
 * A record is sealed to its place, so it cannot be moved; but an older record of the same place would open.
 * For the tables where that does harm (ratchets would use a key twice) the ledger tells the newest batch of
 * each row, and the head the newest ledger. A whole store that is put back is not noticed: docs/security.md.
 */

import { toHex } from "../wire/bytes";
import { damaged } from "./records";

export class Ledger {
  /** By place in hex. Never changed once made. */
  constructor(private readonly batches: ReadonlyMap<string, number> = new Map()) {}

  static from(value: unknown): Ledger {
    return new Ledger(new Map(value as [string, number][]));
  }

  toValue(): [string, number][] {
    return [...this.batches];
  }

  /** With these places written by `batch`, or gone. */
  after(batch: number, written: Iterable<Uint8Array>, gone: Iterable<Uint8Array>): Ledger {
    const batches = new Map(this.batches);
    for (const place of written) batches.set(toHex(place), batch);
    for (const place of gone) batches.delete(toHex(place));
    return new Ledger(batches);
  }

  /** Raises storage.failed for a record that is older than the newest, or should not be there. */
  check(place: Uint8Array, batch: number | undefined): void {
    if (this.batches.get(toHex(place)) !== batch)
      throw damaged("A record that must be the newest one");
  }

  /** The places from `low` to `high`, in order. */
  between(low: Uint8Array, high: Uint8Array): string[] {
    const [first, last] = [toHex(low), toHex(high)];
    return [...this.batches.keys()].filter((place) => place >= first && place <= last).sort();
  }
}
