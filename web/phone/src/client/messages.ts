/** Messages as the store has them: what a content does to them. */

import { type Bytes, fromHex, randomBytes, toHex } from "../wire/bytes";
import * as c from "../wire/content";
import { type ChappeError, error } from "../wire/errors";
import { blank, localId, parts } from "./blank";
import type { Core, Tx } from "./core";
import type { Groups } from "./groups";
import { metaOfMedia } from "./preview";
import { type FileMeta, type MessageRow, type Notice, type StoredFile, tables } from "./rows";
import type { Rules } from "./rules";

export const MAX_READ_RECEIPT_LINES = 32;
export const MAX_STATUSES = 1000;

/** A content with where it comes from. `own`: from this very device. */
export interface Incoming {
  conversation: string;
  id: string;
  address: string;
  at: number;
  message: c.Message;
  own: boolean;
  /** Of an own message: its bytes, to say them again. */
  content?: Bytes;
}

export interface NewContent {
  id: string;
  data: Bytes;
}

export class Messages {
  /** By conversation, messages that just came and whose arrival its sender wants to know. */
  toConfirm = new Map<string, string[]>();
  /** Set by the owner: what a row says is new or another, or it is gone (null): index it, drop its file. */
  onSaid: (tx: Tx, id: string, row: MessageRow | null) => Promise<void> = async () => {};
  /** Set by the owner: what this device has read of the transparency log. */
  logHead: () => c.LogHead | null = () => null;
  /** Set by the owner: what the sender of a message has read of it. */
  onLogHead: (tx: Tx, incoming: Incoming, head: c.LogHead) => void = () => {};
  /** Set by the owner: the time of the next `sweep` may have changed. */
  onExpiry: () => void = () => {};

  constructor(
    private readonly core: Core,
    private readonly groups: Groups,
    private readonly rules: Rules,
  ) {
    core.undone.push(() => this.toConfirm.clear());
  }

  // --- contents of this line

  /** Its id and its bytes. Raises content.malformed. */
  make(
    conversation: string,
    body: c.Body,
    options: { replaces?: string | null; inReplyTo?: string | null; timer?: number } = {},
  ): NewContent {
    const { replaces = null, inReplyTo = null, timer = 0 } = options;
    const data = c.encode({
      salt: randomBytes(c.SALT_BYTES),
      body,
      replaces: replaces === null ? null : fromHex(replaces),
      inReplyTo: inReplyTo === null ? null : fromHex(inReplyTo),
      expires:
        body.kind === "typing" || body.kind === "delivery"
          ? c.TYPING_EXPIRY
          : timer > 0
            ? { relative: true, seconds: timer }
            : null,
      topic: new Uint8Array(),
      log: this.logHead(),
    });
    return { id: this.idOf(conversation, this.core.me.address, data), data };
  }

  /** What this device's messages there carry: what members agreed on, or what the organisation rules. */
  timerOf(conversation: string): number {
    return this.rules.timer(this.groups.row(conversation).timer);
  }

  idOf(conversation: string, address: string, data: Uint8Array): string {
    const room = c.roomUri(this.core.me.server, fromHex(conversation));
    return toHex(c.messageId(c.senderUri(address), room, data));
  }

  // --- what a content does

  /** What it has no right to do, it does not do. */
  async apply(tx: Tx, incoming: Incoming): Promise<void> {
    const { body, replaces, log } = incoming.message;
    if (log !== null && !incoming.own) this.onLogHead(tx, incoming, log);
    if (body.kind === "typing") this.#takeTyping(tx, incoming);
    else if (body.kind === "receipt") await this.#takeReceipt(tx, incoming, body.statuses);
    else if (body.kind === "reaction") await this.#react(tx, incoming, body.emoji);
    else if (body.kind === "deleted") await this.#takeBack(tx, incoming);
    else if (replaces !== null) await this.#edit(tx, incoming, toHex(replaces));
    else await this.#insert(tx, incoming);
  }

  #takeTyping(tx: Tx, { conversation, address, at }: Incoming): void {
    if (address !== this.core.me.address) tx.typing.push({ conversation, address, at });
  }

  async #insert(tx: Tx, incoming: Incoming): Promise<void> {
    const { message, address, conversation, id, own, at } = incoming;
    if ((await tx.change.get(tables.where, id)) !== undefined) return;
    const mine = address === this.core.me.address;
    const { expires } = message;
    const expiresIn = this.rules.within(expires?.relative ? expires.seconds : null);
    let expiresAt = expires !== null && !expires.relative ? expires.seconds : null;
    if (expiresAt !== null && expiresAt <= this.core.now()) return;
    if (mine && !own) expiresAt = sooner({ expiresIn, expiresAt }, at);
    await this.#add(tx, {
      ...blank,
      ...parts(message.body),
      id,
      conversation,
      address,
      mine,
      at,
      replyTo: message.inReplyTo === null ? null : toHex(message.inReplyTo),
      state: own ? "queued" : mine ? "sent" : "received",
      expiresIn,
      expiresAt,
      read: mine,
      meta: message.body.kind === "attachment" ? metaOfMedia(message.body.media) : null,
      content: incoming.content ?? null,
    });
    if (!mine && this.groups.row(conversation).kind === "direct") {
      const waiting = this.toConfirm.get(conversation) ?? [];
      this.toConfirm.set(conversation, [...waiting, id]);
    }
  }

  /** A place where a message should be. */
  async insertUnreadable(tx: Tx, conversation: string, address: string, at: number): Promise<void> {
    const id = localId();
    const row = { ...blank, kind: "unreadable" as const, id, conversation, address, at };
    await this.#add(tx, { ...row, mine: false, state: "received", read: false });
  }

  /** A line in the conversation that says what happened to it; nobody sent it. */
  async insertNotice(tx: Tx, conversation: string, notice: Notice): Promise<string> {
    const [id, at] = [localId(), this.core.now()];
    const row = { ...blank, kind: "notice" as const, id, conversation, at, notice };
    await this.#add(tx, { ...row, address: "", mine: false, state: "received", read: true });
    return id;
  }

  /** What it says now; null takes it away. One that is gone stays so. */
  async changeNotice(tx: Tx, id: string, value: string | null): Promise<void> {
    const row = await this.find(tx, id);
    if (!row?.notice) return;
    if (value === null) await this.remove(tx, id);
    else await this.#put(tx, { ...row, notice: { ...row.notice, value } });
  }

  /** A file that is on its way to the relay: it has no content yet. Gives its id here. */
  async insertUpload(
    tx: Tx,
    conversation: string,
    file: StoredFile,
    meta: FileMeta | null,
  ): Promise<string> {
    const [id, at] = [localId(), this.core.now()];
    const row = { ...blank, kind: "file" as const, id, conversation, at, file, meta };
    const { address } = this.core.me;
    await this.#add(tx, { ...row, address, mine: true, state: "queued", read: true });
    return id;
  }

  /** It has one now: the message takes the place of the one that stood in for it. */
  async becomes(tx: Tx, standIn: string, made: NewContent, timer: number): Promise<void> {
    const row = await this.find(tx, standIn);
    if (row === undefined) throw error("message.unknown");
    const { body } = c.decode(made.data);
    tx.change.delete(tables.where, standIn);
    tx.messages.delete(standIn);
    tx.gone.push({ conversation: row.conversation, id: standIn });
    const { conversation, seq } = row;
    tx.change.put(tables.where, made.id, { conversation, seq, reaction: false });
    await this.#say(tx, {
      ...row,
      ...parts(body),
      id: made.id,
      content: made.data,
      state: "queued",
      expiresIn: timer > 0 ? timer : null,
    });
  }

  async #add(tx: Tx, row: Omit<MessageRow, "seq">): Promise<void> {
    const { conversation: there, address: who } = row;
    // Who has said it types no more.
    tx.typing = tx.typing.filter((one) => one.conversation !== there || one.address !== who);
    const seq = await tx.change.next("messages");
    await this.#say(tx, { ...row, seq });
    const where = { conversation: row.conversation, seq, reaction: false };
    tx.change.put(tables.where, row.id, where);
    const conversation = this.groups.row(row.conversation);
    const unread = row.read ? 0 : 1;
    this.groups.put(tx, {
      ...conversation,
      at: Math.max(conversation.at, row.at),
      unread: conversation.unread + unread,
      unreadFrom: unread > 0 && conversation.unread === 0 ? seq : conversation.unreadFrom,
    });
  }

  async #edit(tx: Tx, incoming: Incoming, target: string): Promise<void> {
    const { kind, text, file } = parts(incoming.message.body);
    const row = await this.#own(tx, incoming, target);
    if (row === undefined || row.kind !== kind || file !== null) return;
    await this.#say(tx, { ...row, text, edited: true });
  }

  async #takeBack(tx: Tx, incoming: Incoming): Promise<void> {
    if (incoming.message.replaces === null) return;
    const target = toHex(incoming.message.replaces);
    const where = await tx.change.get(tables.where, target);
    if (where?.reaction) {
      const row = await this.at(tx, where);
      const given = row?.reactions.find((one) => one.id === target);
      if (row === undefined || given?.address !== incoming.address) return;
      tx.change.delete(tables.where, target);
      await this.#put(tx, { ...row, reactions: row.reactions.filter((one) => one !== given) });
      return;
    }
    const row = await this.#own(tx, incoming, target);
    if (row === undefined) return;
    for (const { id } of row.reactions) tx.change.delete(tables.where, id);
    tx.change.delete(tables.proofs, row.conversation, row.seq);
    await this.#say(tx, {
      ...row,
      kind: "deleted",
      text: "",
      file: null,
      meta: null,
      content: null,
      edited: false,
      replyTo: null,
      reactions: [],
    });
  }

  /** One reaction a person: the latest counts. */
  async #react(tx: Tx, incoming: Incoming, emoji: string): Promise<void> {
    const { id, address, conversation, message } = incoming;
    const row =
      message.inReplyTo === null ? undefined : await this.find(tx, toHex(message.inReplyTo));
    if (row === undefined || row.conversation !== conversation || row.kind === "deleted") return;
    if ((await tx.change.get(tables.where, id)) !== undefined) return;
    for (const one of row.reactions)
      if (one.address === address) tx.change.delete(tables.where, one.id);
    const others = row.reactions.filter((one) => one.address !== address);
    tx.change.put(tables.where, id, { conversation, seq: row.seq, reaction: true });
    await this.#put(tx, { ...row, reactions: [...others, { id, address, emoji }] });
  }

  // --- receipts

  async #takeReceipt(
    tx: Tx,
    incoming: Incoming,
    statuses: readonly (readonly [Bytes, c.Status])[],
  ): Promise<void> {
    if (incoming.address === this.core.me.address) {
      const read = statuses.flatMap(([id, status]) => (status === c.READ ? [toHex(id)] : []));
      await this.setRead(tx, incoming.conversation, read);
      return;
    }
    const seesReading = this.rules.receipts;
    // Who does not say it does not see it: read is no more than delivered, which groups do not say.
    const direct = this.groups.row(incoming.conversation).kind === "direct";
    for (const [id, status] of statuses) {
      if (status === c.READ && !seesReading && !direct) continue;
      const word = status === c.READ && seesReading ? "read" : "delivered";
      const row = await this.find(tx, toHex(id));
      if (row?.mine && row.conversation === incoming.conversation)
        await this.#noteReceipt(tx, row, incoming.address, word);
    }
  }

  async #noteReceipt(
    tx: Tx,
    row: MessageRow,
    address: string,
    word: "delivered" | "read",
  ): Promise<void> {
    const known = row.receipts[address];
    if (known === word || known === "read") return;
    const receipts = { ...row.receipts, [address]: word };
    const others = this.groups.addresses(row.conversation).length - 1;
    const count = Object.values(receipts).filter((one) => one === word || one === "read").length;
    const before = word === "delivered" ? ["queued", "sent"] : ["queued", "sent", "delivered"];
    const moves = count >= others && before.includes(row.state);
    await this.#put(tx, { ...row, receipts, state: moves ? word : row.state });
  }

  // --- reading

  /** Mark messages of others as read; what disappears starts to. */
  async setRead(tx: Tx, conversation: string, ids: string[]): Promise<void> {
    let done = 0;
    for (const id of ids) {
      const row = await this.find(tx, id);
      if (row === undefined || row.mine || row.read || row.conversation !== conversation) continue;
      done++;
      await this.#put(tx, { ...row, read: true, expiresAt: sooner(row, this.core.now()) });
    }
    const row = this.groups.row(conversation);
    if (done > 0) this.groups.put(tx, { ...row, unread: Math.max(0, row.unread - done) });
  }

  async unread(tx: Tx, conversation: string): Promise<string[]> {
    const row = this.groups.row(conversation);
    if (row.unread === 0) return [];
    const range = { from: row.unreadFrom };
    const found = await tx.change.range(tables.messages, conversation, range);
    return found.flatMap(({ value }) => (value.read || value.mine ? [] : [value.id]));
  }

  // --- sending

  /** The relay holds a message of this device. */
  async sent(tx: Tx, id: string): Promise<void> {
    const row = await this.find(tx, id);
    if (row?.state !== "queued") return;
    const expiresAt = sooner(row, this.core.now());
    await this.#put(tx, { ...row, state: "sent", expiresAt, content: null });
  }

  async failed(tx: Tx, id: string, code: string): Promise<void> {
    const row = await this.find(tx, id);
    if (row?.state === "queued") await this.#put(tx, { ...row, state: "failed", failure: code });
  }

  /** A message that failed waits again. Raises message.unknown for any other. */
  async again(tx: Tx, id: string): Promise<{ row: MessageRow; content: Bytes }> {
    const row = await this.find(tx, id);
    if (row === undefined || row.state !== "failed" || row.content === null)
      throw error("message.unknown");
    await this.#put(tx, { ...row, state: "queued", failure: "" });
    return { row, content: row.content };
  }

  /** A file that failed before it had a content. */
  async waits(tx: Tx, id: string): Promise<void> {
    const row = await this.find(tx, id);
    if (row?.state === "failed") await this.#put(tx, { ...row, state: "queued", failure: "" });
  }

  /** What an impostor said is nobody's. */
  async disown(tx: Tx, conversation: string, address: string): Promise<void> {
    for (const { value } of await tx.change.range(tables.messages, conversation))
      if (value.address === address) await this.#put(tx, { ...value, address: "" });
  }

  // --- disappearing

  /** Take away what has disappeared; gives when the next goes. */
  async sweep(): Promise<number | null> {
    const now = this.core.now();
    const over = this.core.book.expiries.all().filter((one) => one.at <= now);
    if (over.length > 0)
      await this.core.change(async (tx) => {
        for (const { id } of over) await this.remove(tx, id);
      });
    const times = this.core.book.expiries.all().map((one) => one.at);
    return times.length === 0 ? null : times.reduce((a, b) => Math.min(a, b));
  }

  /** As if it had never been here. */
  async remove(tx: Tx, id: string): Promise<void> {
    this.core.book.expiries.delete(tx.change, id);
    const row = await this.find(tx, id);
    if (row === undefined) return;
    for (const one of row.reactions) tx.change.delete(tables.where, one.id);
    tx.change.delete(tables.where, id);
    tx.change.delete(tables.messages, row.conversation, row.seq);
    tx.change.delete(tables.proofs, row.conversation, row.seq);
    tx.messages.delete(id);
    await this.onSaid(tx, id, null);
    tx.gone.push({ conversation: row.conversation, id });
    const conversation = this.groups.row(row.conversation);
    const unread = Math.max(0, conversation.unread - (row.read ? 0 : 1));
    this.groups.put(tx, { ...conversation, unread });
  }

  // --- looking

  async find(tx: Tx, id: string): Promise<MessageRow | undefined> {
    const where = await tx.change.get(tables.where, id);
    return where === undefined || where.reaction ? undefined : this.at(tx, where);
  }

  at(tx: Tx, where: { conversation: string; seq: number }): Promise<MessageRow | undefined> {
    return tx.change.get(tables.messages, where.conversation, where.seq);
  }

  /** Raises message.unknown. */
  async get(id: string): Promise<MessageRow> {
    const where = await this.core.store.get(tables.where, id);
    const row =
      where === undefined || where.reaction
        ? undefined
        : await this.core.store.get(tables.messages, where.conversation, where.seq);
    if (row === undefined) throw error("message.unknown");
    return row;
  }

  /** One that its sender may replace. */
  async #own(tx: Tx, incoming: Incoming, target: string): Promise<MessageRow | undefined> {
    const row = await this.find(tx, target);
    const fits = row?.address === incoming.address && row.conversation === incoming.conversation;
    return fits && row.kind !== "notice" && row.kind !== "unreadable" ? row : undefined;
  }

  /** A row that says something new. */
  async #say(tx: Tx, row: MessageRow): Promise<void> {
    await this.#put(tx, row);
    await this.onSaid(tx, row.id, row);
  }

  async #put(tx: Tx, row: MessageRow): Promise<void> {
    tx.change.put(tables.messages, row.conversation, row, row.seq);
    tx.messages.set(row.id, row);
    tx.conversations.add(row.conversation);
    const known = this.core.book.expiries.get(row.id)?.at ?? null;
    if (row.expiresAt === known) return;
    if (row.expiresAt === null) this.core.book.expiries.delete(tx.change, row.id);
    else this.core.book.expiries.put(tx.change, { id: row.id, at: row.expiresAt });
    tx.after(() => this.onExpiry());
  }
}

/** When a message disappears whose time begins at `from`; null for never. */
function sooner(
  { expiresIn, expiresAt }: Pick<MessageRow, "expiresIn" | "expiresAt">,
  from: number,
): number | null {
  if (expiresIn === null) return expiresAt;
  return Math.min(from + expiresIn, expiresAt ?? Number.POSITIVE_INFINITY);
}

/** Whether what was asked may be asked again. */
export const isNetwork = ({ code }: ChappeError): boolean => code.startsWith("network.");
