/**
 * What proves of a message who said it, kept for a while beside the message, for a report to the officers
 * (docs/decisions/0012). It goes with the message, and with its time.
 */

import type { ApplicationMessage } from "../mls";
import { type Bytes, toHex } from "../wire/bytes";
import type { Exhibit } from "../wire/reports";
import type { Core, Tx } from "./core";
import type { Incoming, Messages } from "./messages";
import { type MessageRow, tables } from "./rows";

export const KEPT_SECONDS = 30 * 24 * 3600;
/** So many are looked at at once. */
const PAGE = 32;

export class Proofs {
  constructor(
    private readonly core: Core,
    private readonly messages: Messages,
  ) {}

  /** Of texts and files of others that are here, and of their edits. */
  async keep(tx: Tx, incoming: Incoming, received: ApplicationMessage): Promise<void> {
    const { body, replaces } = incoming.message;
    if (body.kind !== "text" && body.kind !== "attachment") return;
    if (incoming.address === this.core.me.address) return;
    const row = await this.messages.find(tx, replaces === null ? incoming.id : toHex(replaces));
    const fits = row?.address === incoming.address && row.conversation === incoming.conversation;
    if (!fits || (row.kind !== "text" && row.kind !== "file")) return;
    const exhibit = {
      signed: own(received.signed),
      signature: own(received.signature),
      certificate: own(received.sender.identity),
      at: incoming.at,
    };
    const before =
      replaces === null ? undefined : await tx.change.get(tables.proofs, row.conversation, row.seq);
    const first = replaces === null ? exhibit : (before?.first ?? null);
    const last = replaces === null ? null : exhibit;
    const until = this.core.now() + KEPT_SECONDS;
    tx.change.put(tables.proofs, row.conversation, { first, last, until }, row.seq);
  }

  /** As it was first, and as it was edited last; none where there is no proof any more. */
  async of(row: MessageRow): Promise<Exhibit[]> {
    const found = await this.core.store.get(tables.proofs, row.conversation, row.seq);
    if (found === undefined || found.until <= this.core.now()) return [];
    return [found.first, found.last].filter((one) => one !== null);
  }

  /** In each conversation the oldest come first. */
  async dropExpired(tx: Tx): Promise<void> {
    for (const { id } of this.core.book.conversations.all()) {
      let from = 0;
      for (;;) {
        const some = await tx.change.range(tables.proofs, id, { from, limit: PAGE });
        const over = some.filter(({ value }) => value.until <= this.core.now());
        for (const { number } of over) tx.change.delete(tables.proofs, id, number);
        from = (some.at(-1)?.number ?? 0) + 1;
        if (over.length < PAGE) break;
      }
    }
  }
}

const own = (data: Uint8Array): Bytes => new Uint8Array(data);
