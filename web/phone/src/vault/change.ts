/** A change to the store while it is made: staged in memory, seen by its own reads, written at once. */

import type { Store } from "./store";
import {
  type At,
  LAST,
  label,
  type Name,
  type Numbered,
  type Range,
  type Staged,
  type Table,
  table,
} from "./tables";
import type { Turn } from "./turns";

const counters = table<number>("store counters");

/** One batch. Reads see what it staged. */
export class Change {
  #staged = new Map<string, Staged>();
  #ended = false;

  constructor(
    private readonly store: Store,
    private readonly turn: Turn,
    private readonly finish: (staged: Staged[]) => Promise<void>,
  ) {}

  async get<T>(table: Table<T>, name: Name, number = 0): Promise<T | undefined> {
    await this.#mine();
    const staged = this.#staged.get(label(table.name, name, number));
    return staged ? (staged.value as T | undefined) : this.store.get(table, name, number);
  }

  /** Several records of a table, read at once. */
  async several<T>(table: Table<T>, at: readonly At[]): Promise<(T | undefined)[]> {
    await this.#mine();
    const staged = at.map(([name, number]) => this.#staged.get(label(table.name, name, number)));
    const asked = at.filter((_, i) => staged[i] === undefined);
    const kept = await this.store.several(table, asked);
    let next = 0;
    return staged.map((one) => (one ? (one.value as T | undefined) : kept[next++]));
  }

  put<T>(table: Table<T>, name: Name, value: T, number = 0): void {
    if (value === undefined) throw new TypeError("undefined is not kept: delete the record");
    this.#stage(table.name, name, number, value);
  }

  delete(table: Table<unknown>, name: Name, number = 0): void {
    this.#stage(table.name, name, number, undefined);
  }

  async range<T>(table: Table<T>, name: Name, range: Range = {}): Promise<Numbered<T>[]> {
    await this.#mine();
    const { from = 0, to = LAST, newest = false, limit } = range;
    const row = label(table.name, name, 0);
    const staged = [...this.#staged.values()].filter(
      (one) => label(one.table, one.name, 0) === row && one.number >= from && one.number <= to,
    );
    // As many more as may turn out to be staged otherwise.
    const asked = limit === undefined ? range : { ...range, limit: limit + staged.length };
    const found = new Map(
      (await this.store.range(table, name, asked)).map((r) => [r.number, r.value]),
    );
    for (const { number, value } of staged)
      value === undefined ? found.delete(number) : found.set(number, value as T);
    const rows = [...found].map(([number, value]) => ({ number, value }));
    rows.sort((a, b) => (newest ? b.number - a.number : a.number - b.number));
    return rows.slice(0, limit);
  }

  /** The next number of a counter: 1, 2, 3, … No number is given twice, once committed. */
  async next(counter: string, name: Name = ""): Promise<number> {
    const row = label(counter, name, 0);
    await this.#mine();
    const before = this.store.counted.get(row) ?? (await this.get(counters, row));
    // Another call may have come in between: what is staged counts.
    const number = ((this.#stagedValue(counters, row) as number | undefined) ?? before ?? 0) + 1;
    this.put(counters, row, number);
    return number;
  }

  #stagedValue(table: Table<unknown>, name: Name): unknown {
    return this.#staged.get(label(table.name, name, 0))?.value;
  }

  /** Durable once this returns. Raises storage.full, storage.locked, storage.failed: then nothing was changed. */
  async commit(): Promise<void> {
    await this.#mine();
    try {
      const staged = [...this.#staged.values()];
      if (staged.length > 0) await this.finish(staged);
      for (const { table, name, value } of staged)
        if (table === counters.name) this.store.counted.set(name as string, value as number);
    } finally {
      this.drop();
    }
  }

  /** Give it up, if it was not committed. */
  drop(): void {
    this.#ended = true;
    this.#staged.clear();
    this.turn.release();
  }

  async #mine(): Promise<void> {
    await this.turn.come;
    if (this.#ended) throw new TypeError("the change has ended");
  }

  #stage(table: string, name: Name, number: number, value: unknown): void {
    if (this.#ended) throw new TypeError("the change has ended");
    if (!Number.isSafeInteger(number) || number < 0)
      throw new RangeError("not a number of a record");
    this.#staged.set(label(table, name, number), { table, name, number, value });
  }
}
