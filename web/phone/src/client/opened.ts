/** A profile that is open: its store and files, and the phone at work on them. */

import { openCabinet } from "../vault/cabinet";
import { Files } from "../vault/files";
import { Search } from "../vault/search";
import { Store } from "../vault/store";
import type { RelayPlace } from "../wire/links";
import { authority } from "../wire/links";
import { Attachments } from "./attachments";
import { Core } from "./core";
import { Engine } from "./engine";
import { HttpApi } from "./http";
import { Me } from "./identity";
import type { MessageRow } from "./rows";
import { browserNet, type Net } from "./transport";

/** An older contact put back in place of a newer one would undo an accepted or refused identity. */
export const GUARDED = { guarded: ["contacts"] };

/** How a relay is reached; tests give their own. */
export type Reach = (place: RelayPlace) => Net;

export const reachByBrowser: Reach = (place) => browserNet(`https://${authority(place)}`);

export class Opened {
  #started = false;
  #closed = false;

  private constructor(
    readonly core: Core,
    readonly engine: Engine,
    readonly attachments: Attachments,
    readonly search: Search,
    readonly api: HttpApi,
  ) {}

  /** From the store, which is this one's to close from here on. Raises storage.*. */
  static async from(store: Store, reach: Reach): Promise<Opened> {
    try {
      const cabinet = openCabinet();
      cabinet.catch(() => {});
      const me = await Me.kept(store);
      const core = await Core.open(me, store);
      const net = reach(me.place);
      const api = new HttpApi(net);
      const engine = await Engine.open(core, net, api);
      const files = new Files(await cabinet);
      const { groups, messages, outbox, connection } = engine;
      const ways = { groups, outbox, net, connection };
      const attachments = new Attachments(core, messages, files, api, ways);
      const opened = new Opened(core, engine, attachments, new Search(store), api);
      opened.#tie();
      // Before anything is written: what a kill left behind, and no record names.
      await attachments.sweep();
      return opened;
    } catch (problem) {
      store.close();
      throw problem;
    }
  }

  /** By the vault key, which stays the caller's to wipe. Raises storage.*. */
  static async by(key: Uint8Array, reach: Reach): Promise<Opened> {
    return Opened.from(await Store.open(key, GUARDED), reach);
  }

  #tie(): void {
    const { engine, attachments, search } = this;
    engine.shown.progressOf = (id) => attachments.progressOf(id);
    engine.messages.onSaid = async (tx, id, row) => {
      const text = searchable(row);
      if (text === "") await search.remove(tx.change, id);
      else await search.put(tx.change, id, text);
      await attachments.follow(tx, id, row);
    };
    attachments.uploads.onQueued = () => engine.wake();
    engine.onReady = () => attachments.resume();
  }

  /** Once; nothing where it was closed before. */
  start(): void {
    if (this.#started || this.#closed) return;
    this.#started = true;
    this.engine.start();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.engine.stop(), this.attachments.stop()]);
    this.core.store.close();
  }
}

function searchable(row: MessageRow | null): string {
  if (row === null || (row.kind !== "text" && row.kind !== "file")) return "";
  return `${row.text} ${row.file?.name ?? ""}`.trim();
}
