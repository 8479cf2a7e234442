/** What all parts of a phone share: who it is, its store, the time, and who is told what happened. */

import type { Change, Store } from "../vault/store";
import { Turns } from "../vault/turns";
import type { Code } from "../wire/errors";
import { Book } from "./book";
import type { Me } from "./identity";
import { type MessageRow, tables } from "./rows";

/** A line that is typing, and when the relay was told. */
export interface Typist {
  conversation: string;
  address: string;
  at: number;
}

/** What a change did, for those who watch. */
export interface Done {
  messages: MessageRow[];
  gone: { conversation: string; id: string }[];
  conversations: Set<string>;
  contacts: Set<string>;
  typing: Typist[];
  failed: { code: Code; conversation: string | null }[];
  /** What the transparency log shows, or what is amiss there, is another. */
  log: boolean;
}

/** One change under way: what it puts is durable together, and what it tells is told after that. */
export class Tx {
  readonly messages = new Map<string, MessageRow>();
  readonly gone: Done["gone"] = [];
  readonly conversations = new Set<string>();
  readonly contacts = new Set<string>();
  /** Told and kept nowhere. */
  typing: Typist[] = [];
  readonly failed: Done["failed"] = [];
  log = false;
  readonly #after: (() => void)[] = [];

  constructor(readonly change: Change) {}

  /** Once it is durable. */
  after(work: () => void): void {
    this.#after.push(work);
  }

  finish(): void {
    for (const work of this.#after) work();
  }

  fail(code: Code, conversation: string | null): void {
    this.failed.push({ code, conversation });
  }
}

export class Core {
  readonly book = new Book();
  /** Called once a change is durable. */
  onDone: (done: Done) => void = () => {};
  /** Called when a change was undone, before the next one begins: caches must go. */
  readonly undone: (() => void)[] = [];
  #turns = new Turns();

  private constructor(
    readonly me: Me,
    readonly store: Store,
    private readonly clock: () => number,
  ) {}

  static async open(me: Me, store: Store, clock = Date.now): Promise<Core> {
    const core = new Core(me, store, clock);
    await core.book.load(store);
    return core;
  }

  /** Whole Unix seconds. */
  now(): number {
    return Math.floor(this.clock() / 1000);
  }

  /**
   * One change at a time, all of it or nothing; durable once this returns. Never call it inside another: pass
   * `tx` on. Raises storage.*, and what `make` raises.
   */
  async change<T>(make: (tx: Tx) => Promise<T> | T): Promise<T> {
    const turn = this.#turns.take();
    await turn.come;
    try {
      const { made, tx } = await this.#run(make);
      this.onDone({
        messages: [...tx.messages.values()],
        gone: tx.gone,
        conversations: tx.conversations,
        contacts: tx.contacts,
        typing: tx.typing,
        failed: tx.failed,
        log: tx.log,
      });
      tx.finish();
      return made;
    } finally {
      turn.release();
    }
  }

  async #run<T>(make: (tx: Tx) => Promise<T> | T): Promise<{ made: T; tx: Tx }> {
    try {
      return await this.store.write(async (change) => {
        const tx = new Tx(change);
        return { made: await make(tx), tx };
      });
    } catch (problem) {
      for (const forget of this.undone) forget();
      // A store that was closed under it has nothing to read any more.
      if (this.store.isOpen) await this.book.load(this.store);
      throw problem;
    }
  }

  /** Wait until the changes before are over. */
  async quiet(): Promise<void> {
    const turn = this.#turns.take();
    await turn.come;
    turn.release();
  }

  async meta<T>(key: string): Promise<T | undefined> {
    return (await this.store.get(tables.meta, key)) as T | undefined;
  }

  dropMeta(tx: Tx, key: string): void {
    tx.change.delete(tables.meta, key);
  }

  setMeta(tx: Tx, key: string, value: unknown): void {
    tx.change.put(tables.meta, key, value);
  }
}
