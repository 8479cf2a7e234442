/**
 * The encrypted store: one IndexedDB database, one writer at a time.
 *
 *     const contacts = table<Contact>("contacts");
 *     const messages = table<Message>("messages");
 *
 *     await store.write(async (change) => {
 *       const number = await change.next("messages", conversation);
 *       change.put(contacts, address, contact);
 *       change.put(messages, conversation, message, number);
 *     });
 *     await store.range(messages, conversation, { newest: true, limit: 50 });
 *
 * A row is named by a table and a name, and may hold many records by number (0 where none is given). What
 * must happen together is written in one change, and nothing is told to the relay before `commit` has
 * returned: a phone may be killed anywhere.
 *
 * WebCrypto and IndexedDB do not mix: a transaction ends as soon as one awaits anything but its own requests.
 * So a change is staged in memory, sealed whole, and only then written, in one transaction.
 */

import type { IDBPDatabase } from "idb";
import { type Bytes, bigEndian, concat, equal, toHex } from "../wire/bytes";
import { error } from "../wire/errors";
import { Change } from "./change";
import { deleteDatabase, openDatabase, storageFailure, whole } from "./database";
import { Ledger } from "./ledger";
import { key, lastOf, numberOf, type Reading } from "./reading";
import { damaged, Records } from "./records";
import {
  type At,
  LAST,
  type Name,
  type Numbered,
  type Range,
  type Staged,
  type Table,
} from "./tables";
import { type Hold, hold, Turns } from "./turns";

export type { Change } from "./change";
export { type At, type Name, type Numbered, type Range, type Table, table } from "./tables";

export const STORE = "chappe-store";
const RECORDS = "records";
const VERSION = 1;
const OWN = "store";

export interface StoreOptions {
  /** Another name than the phone's, for tests. */
  name?: string;
  /** Tables in which an older record put back is noticed. Small ones: the list of all rows is rewritten. */
  guarded?: readonly string[];
}

interface Head {
  version: number;
  batch: number;
  /** The batch that wrote the ledger last. */
  ledger: number;
}

/** What a transaction reads beside records of guarded tables. */
interface Seen {
  ledger: unknown;
}

export class Store {
  #database: IDBPDatabase | null;
  #turns = new Turns();
  #headBytes: Bytes = new Uint8Array(0);
  #ledgerBytes: Bytes = new Uint8Array(0);
  #head: Head = { version: VERSION, batch: 0, ledger: 0 };
  #ledger = new Ledger();
  /** Counters as they were last written: this store is their one writer. */
  readonly counted = new Map<string, number>();
  /** Called once when the browser took the store away. */
  onLost: () => void = () => {};

  private constructor(
    database: IDBPDatabase,
    readonly records: Records,
    private readonly guarded: ReadonlySet<string>,
    private readonly headPlace: Bytes,
    private readonly ledgerPlace: Bytes,
    private readonly held: Hold,
  ) {
    this.#database = database;
  }

  /** A new store under this key, which the caller may overwrite after. Raises storage.exists, storage.*. */
  static async create(key: Uint8Array, options: StoreOptions = {}): Promise<Store> {
    return Store.#at(key, options, async (store) => {
      if ((await store.#count()) > 0) throw error("storage.exists");
      await store.#commit([], true);
    });
  }

  /** Raises storage.missing, storage.wrong_key, storage.locked, storage.failed. */
  static async open(key: Uint8Array, options: StoreOptions = {}): Promise<Store> {
    return Store.#at(key, options, (store) => store.#begin());
  }

  /** Whether there is one. Raises storage.failed. */
  static async exists(name = STORE): Promise<boolean> {
    const database = await openDatabase(name, [RECORDS]);
    try {
      return (await database.count(RECORDS)) > 0;
    } catch (problem) {
      throw storageFailure(problem);
    } finally {
      database.close();
    }
  }

  static async destroy(name = STORE): Promise<void> {
    await deleteDatabase(name);
  }

  static async #at(
    key: Uint8Array,
    { name = STORE, guarded = [] }: StoreOptions,
    start: (store: Store) => Promise<void>,
  ): Promise<Store> {
    const held = await hold(name);
    let store: Store | null = null;
    const opening = openDatabase(name, [RECORDS], { lost: () => store?.close(true) });
    opening.catch(() => {});
    try {
      const records = await Records.under(key);
      const [head, ledger] = await Promise.all([
        records.place(OWN, "head", 0),
        records.place(OWN, "ledger", 0),
      ]);
      const database = await opening;
      store = new Store(database, records, new Set(guarded), head, ledger, held);
      await start(store);
      return store;
    } catch (problem) {
      if (store) store.close();
      else {
        opening.then((database) => database.close()).catch(() => {});
        held.release();
      }
      throw problem;
    }
  }

  /** From here on the store does nothing, and holds no key. */
  close(lost = false): void {
    this.#database?.close();
    this.#database = null;
    this.records.forget();
    this.held.release();
    if (lost) this.onLost();
  }

  get isOpen(): boolean {
    return this.#database !== null;
  }

  // --- reading

  async get<T>(table: Table<T>, name: Name, number = 0): Promise<T | undefined> {
    const place = await this.records.place(table.name, name, number);
    const [found, seen] = await this.#read(table, (records) => records.get(key(place)));
    const [value] = await this.#opened<T>(table, [place], [found], seen);
    return value;
  }

  /** The records of one row by number. */
  async range<T>(table: Table<T>, name: Name, range: Range = {}): Promise<Numbered<T>[]> {
    const row = await this.records.row(table.name, name);
    const bounds = [
      concat(row, bigEndian(range.from ?? 0, 8)),
      concat(row, bigEndian(range.to ?? LAST, 8)),
    ] as const;
    const places = await this.#scan<T>(table, bounds, range);
    return places.map(({ place, value }) => ({ number: numberOf(place), value }));
  }

  /** Records by row and number, read at once. For tables that are not guarded. */
  async several<T>(table: Table<T>, at: readonly At[]): Promise<(T | undefined)[]> {
    this.#refuseGuarded(table);
    if (at.length === 0) return [];
    const places = await Promise.all(
      at.map(([name, number]) => this.records.place(table.name, name, number)),
    );
    const [found, seen] = await this.#read(table, (records) =>
      Promise.all(places.map((place) => records.get(key(place)))),
    );
    return this.#opened<T>(table, places, found as unknown[], seen);
  }

  /** All records of several rows, each by number, read at once. For tables that are not guarded. */
  async ranges<T>(table: Table<T>, names: readonly Name[]): Promise<Numbered<T>[][]> {
    this.#refuseGuarded(table);
    const rows = await Promise.all(names.map((name) => this.records.row(table.name, name)));
    const [found] = await this.#read(table, (records) =>
      Promise.all(
        rows.map((row) => {
          const [low, high] = [concat(row, bigEndian(0, 8)), concat(row, bigEndian(LAST, 8))];
          const bounds = IDBKeyRange.bound(key(low), key(high));
          return Promise.all([records.getAllKeys(bounds), records.getAll(bounds)]);
        }),
      ),
    );
    return Promise.all(
      (found as [ArrayBuffer[], unknown[]][]).map(async ([keys, values]) => {
        const places = keys.map((one) => new Uint8Array(one));
        const opened = await this.#opened<T>(table, places, values, { ledger: undefined });
        return places.map((place, i) => ({ number: numberOf(place), value: opened[i] as T }));
      }),
    );
  }

  /** Every record of a table, in no order that says anything. */
  async all<T>(table: Table<T>): Promise<T[]> {
    const prefix = await this.records.table(table.name);
    const bounds = [
      concat(prefix, new Uint8Array(24)),
      concat(prefix, new Uint8Array(24).fill(255)),
    ] as const;
    return (await this.#scan<T>(table, bounds, {})).map(({ value }) => value);
  }

  #refuseGuarded(table: Table<unknown>): void {
    if (this.guarded.has(table.name)) throw new TypeError("a guarded table is read row by row");
  }

  async #scan<T>(
    table: Table<T>,
    [low, high]: readonly [Bytes, Bytes],
    { newest = false, limit }: Range,
  ): Promise<{ place: Bytes; value: T }[]> {
    if (limit === 0) return [];
    const all = IDBKeyRange.bound(key(low), key(high));
    const [found, seen] = await this.#read(table, async (records) => {
      const bounds = newest && limit !== undefined ? await lastOf(records, all, limit) : all;
      return Promise.all([records.getAllKeys(bounds, limit), records.getAll(bounds, limit)]);
    });
    const [keys, values] = found as [ArrayBuffer[], unknown[]];
    const places = keys.map((one) => new Uint8Array(one));
    if (this.guarded.has(table.name)) {
      const known = (await this.#ledgerOf(seen)).between(low, high);
      const wanted = newest && limit !== undefined ? known.slice(-limit) : known.slice(0, limit);
      if (wanted.join() !== places.map(toHex).join()) throw damaged("A table that must be whole");
    }
    const opened = await this.#opened<T>(table, places, values, seen);
    const rows = places.map((place, i) => ({ place, value: opened[i] as T }));
    return newest ? rows.reverse() : rows;
  }

  /** In one transaction: what `ask` asks for and, for a guarded table, the ledger that goes with it. */
  async #read(
    table: Table<unknown>,
    ask: (records: Reading) => Promise<unknown>,
  ): Promise<[unknown, Seen]> {
    const database = this.#here();
    try {
      const records = database.transaction(RECORDS, "readonly").store;
      const ledger = this.guarded.has(table.name) ? records.get(key(this.ledgerPlace)) : undefined;
      const [found, seen] = await Promise.all([ask(records), ledger]);
      return [found, { ledger: seen }];
    } catch (problem) {
      throw storageFailure(problem);
    }
  }

  async #opened<T>(
    table: Table<T>,
    places: Bytes[],
    sealed: unknown[],
    seen: Seen,
  ): Promise<(T | undefined)[]> {
    const ledger = this.guarded.has(table.name) ? await this.#ledgerOf(seen) : null;
    return Promise.all(
      places.map(async (place, i) => {
        const one = sealed[i];
        if (one === undefined) {
          ledger?.check(place, undefined);
          return undefined;
        }
        const { batch, value } = await this.records.open(place, one);
        ledger?.check(place, batch);
        return value as T;
      }),
    );
  }

  /** The ledger as a transaction saw it. */
  async #ledgerOf({ ledger }: Seen): Promise<Ledger> {
    if (ledger instanceof Uint8Array && equal(ledger, this.#ledgerBytes)) return this.#ledger;
    const { batch, value } = await this.records.open(this.ledgerPlace, ledger);
    if (batch < this.#head.ledger) throw damaged("The list of records");
    return Ledger.from(value);
  }

  // --- writing

  /** A change that waits for its turn. It MUST end with `commit` or `drop`; `write` sees to that. */
  begin(): Change {
    return new Change(this, this.#turns.take(), (staged) => this.#commit(staged, false));
  }

  /** Run `make`, then commit; where it throws, nothing was changed. Raises storage.*. */
  async write<T>(make: (change: Change) => Promise<T> | T): Promise<T> {
    const change = this.begin();
    try {
      const made = await make(change);
      await change.commit();
      return made;
    } finally {
      change.drop();
    }
  }

  async #commit(staged: Staged[], first: boolean): Promise<void> {
    const batch = this.#head.batch + 1;
    const places = await Promise.all(
      staged.map((one) => this.records.place(one.table, one.name, one.number)),
    );
    const sealed = await Promise.all(
      staged.map(({ value }, i) =>
        value === undefined ? undefined : this.records.seal(places[i] as Bytes, batch, value),
      ),
    );
    const writes = places.map((place, i) => [place, sealed[i]] as [Bytes, Bytes | undefined]);
    const guarded = writes.filter((_, i) => this.guarded.has(staged[i]?.table ?? ""));
    const head = { ...this.#head, batch };
    let ledger = this.#ledger;
    let ledgerBytes = this.#ledgerBytes;
    if (guarded.length > 0 || first) {
      head.ledger = batch;
      const of = (there: boolean) =>
        guarded.filter(([, value]) => (value !== undefined) === there).map(([place]) => place);
      ledger = ledger.after(batch, of(true), of(false));
      ledgerBytes = await this.records.seal(this.ledgerPlace, batch, ledger.toValue());
      writes.push([this.ledgerPlace, ledgerBytes]);
    }
    const headBytes = await this.records.seal(this.headPlace, batch, head);
    await this.#put([...writes, [this.headPlace, headBytes]]);
    this.#head = head;
    this.#headBytes = headBytes;
    this.#ledger = ledger;
    this.#ledgerBytes = ledgerBytes;
  }

  async #put(writes: [Bytes, Bytes | undefined][]): Promise<void> {
    await whole(this.#here(), RECORDS, async (records) => {
      const head = await records.get(key(this.headPlace));
      const mine =
        head instanceof Uint8Array ? equal(head, this.#headBytes) : this.#head.batch === 0;
      if (!mine)
        throw error("storage.locked", "Chappe writes from another tab; close it there first.");
      for (const [place, value] of writes) {
        if (value === undefined) records.delete(key(place));
        else records.put(value, key(place));
      }
    });
  }

  // --- beginning

  async #begin(): Promise<void> {
    const records = this.#here().transaction(RECORDS, "readonly").store;
    const [head, ledger, any]: unknown[] = await Promise.all([
      records.get(key(this.headPlace)),
      records.get(key(this.ledgerPlace)),
      // Not how many: that is counted one by one.
      records.getAllKeys(undefined, 1),
    ]).catch((problem) => {
      throw storageFailure(problem);
    });
    if ((any as unknown[]).length === 0) throw error("storage.missing");
    if (head === undefined) throw error("storage.wrong_key");
    const [opened, listed] = await Promise.all([
      this.records.open(this.headPlace, head),
      this.records.open(this.ledgerPlace, ledger),
    ]);
    this.#head = opened.value as Head;
    if (this.#head.version !== VERSION)
      throw error("storage.failed", "This store was made by another version of Chappe; update it.");
    if (listed.batch !== this.#head.ledger) throw damaged("The list of records");
    this.#headBytes = head as Bytes;
    this.#ledgerBytes = ledger as Bytes;
    this.#ledger = Ledger.from(listed.value);
  }

  async #count(): Promise<number> {
    return this.#here()
      .count(RECORDS)
      .catch((problem) => {
        throw storageFailure(problem);
      });
  }

  #here(): IDBPDatabase {
    if (!this.#database) throw error("vault.locked");
    return this.#database;
  }
}
