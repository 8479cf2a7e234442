/**
 * The small tables, whole in memory: contacts, conversations, and all that waits. Each is a mirror of its
 * table in the store: what is put here is staged in the change under way, and read anew after one was undone.
 */

import type { Change, Store, Table } from "../vault/store";
import type { LogAlarmRow, LogDoubtRow, LogSaltRow } from "./logRows";
import {
  type CommitRow,
  type ContactRow,
  type ConversationRow,
  type DownloadRow,
  type ExpiryRow,
  type FileRow,
  type GoneRow,
  type HoleRow,
  type IntentRow,
  type OutboxRow,
  type PackageRow,
  type ParkedRow,
  type ReportRow,
  type TokenRow,
  type ToldRow,
  tables,
  type UploadRow,
} from "./rows";

/** Rows by name, in the order of their keys' insertion; numbered ones are put in order when loaded. */
export class Mirror<K extends string | number, T> {
  #rows = new Map<K, T>();

  constructor(
    private readonly table: Table<T>,
    private readonly keyOf: (value: T) => K,
  ) {}

  async load(store: Store): Promise<void> {
    const rows = await store.all(this.table);
    const keyed = rows.map((value) => [this.keyOf(value), value] as const);
    keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    this.#rows = new Map(keyed);
  }

  get(key: K): T | undefined {
    return this.#rows.get(key);
  }

  has(key: K): boolean {
    return this.#rows.has(key);
  }

  /** A snapshot: what is put or deleted meanwhile does not disturb who goes through it. */
  all(): T[] {
    return [...this.#rows.values()];
  }

  get size(): number {
    return this.#rows.size;
  }

  put(change: Change, value: T): void {
    const key = this.keyOf(value);
    this.#rows.set(key, value);
    if (typeof key === "number") change.put(this.table, "", value, key);
    else change.put(this.table, key, value);
  }

  delete(change: Change, key: K): void {
    if (!this.#rows.delete(key)) return;
    if (typeof key === "number") change.delete(this.table, "", key);
    else change.delete(this.table, key);
  }
}

export class Book {
  readonly contacts = new Mirror<string, ContactRow>(tables.contacts, (one) => one.address);
  readonly conversations = new Mirror<string, ConversationRow>(
    tables.conversations,
    (one) => one.id,
  );
  readonly expiries = new Mirror<string, ExpiryRow>(tables.expiries, (one) => one.id);
  readonly holes = new Mirror<string, HoleRow>(tables.holes, (one) => one.key);
  readonly outbox = new Mirror<number, OutboxRow>(tables.outbox, (one) => one.row);
  readonly intents = new Mirror<number, IntentRow>(tables.intents, (one) => one.row);
  readonly commits = new Mirror<string, CommitRow>(tables.commits, (one) => one.conversation);
  readonly files = new Mirror<string, FileRow>(tables.files, (one) => one.message);
  readonly uploads = new Mirror<string, UploadRow>(tables.uploads, (one) => one.message);
  readonly downloads = new Mirror<string, DownloadRow>(tables.downloads, (one) => one.message);
  readonly gone = new Mirror<string, GoneRow>(tables.gone, (one) => one.device);
  readonly reports = new Mirror<string, ReportRow>(tables.reports, (one) => one.order);
  readonly parked = new Mirror<number, ParkedRow>(tables.parked, (one) => one.row);
  readonly tokens = new Mirror<string, TokenRow>(tables.tokens, (one) => one.device);
  readonly told = new Mirror<string, ToldRow>(tables.told, (one) => one.conversation);
  readonly packages = new Mirror<string, PackageRow>(tables.packages, (one) => one.ref);

  readonly logDoubts = new Mirror<string, LogDoubtRow>(tables.logDoubts, (one) => one.key);
  readonly logAlarms = new Mirror<number, LogAlarmRow>(tables.logAlarms, (one) => one.row);
  readonly logSalts = new Mirror<string, LogSaltRow>(tables.logSalts, (one) => one.key);

  async load(store: Store): Promise<void> {
    const mirrors = [
      this.logDoubts,
      this.logAlarms,
      this.logSalts,
      this.contacts,
      this.conversations,
      this.expiries,
      this.holes,
      this.outbox,
      this.intents,
      this.commits,
      this.files,
      this.uploads,
      this.downloads,
      this.gone,
      this.reports,
      this.parked,
      this.packages,
      this.tokens,
      this.told,
    ];
    // What takes the time is each one's waiting for the browser.
    await Promise.all(mirrors.map((mirror) => mirror.load(store)));
  }
}
