/** What a person does with messages, as calls. What is written is durable in the outbox when a call returns. */

import * as c from "../wire/content";
import { error } from "../wire/errors";
import type { Attachment, Hit, Message } from "./face";
import type { Opened } from "./opened";
import { metaOfPage } from "./preview";
import { ACTIVE, type MessageRow, tables } from "./rows";

export class Writing {
  constructor(private readonly opened: Opened) {}

  /** Gives the message's id. Raises conversation.*, message.unknown, identity.changed, content.malformed. */
  async sendText(id: string, text: string, inReplyTo: string | null): Promise<string> {
    const conversation = this.#writable(id);
    if (inReplyTo !== null) await this.opened.engine.messages.get(inReplyTo);
    const timer = this.opened.engine.messages.timerOf(conversation);
    return this.#put(conversation, { kind: "text", text }, { inReplyTo, timer });
  }

  /** Tell the others that a person types here: at once, or not at all. Raises conversation.unknown, storage.*. */
  async typing(id: string): Promise<void> {
    const { groups, typing, ready } = this.opened.engine;
    const row = groups.row(id);
    const direct = row.kind === "direct" && row.peer !== null ? groups.directWith(row.peer) : null;
    if (ready && this.opened.engine.terms.maySend) await typing.say(direct ?? id);
  }

  /** Gives the id of what stands in for the message until the relay has the file. */
  async sendFile(id: string, file: Blob, name: string, meta: Partial<Attachment>): Promise<string> {
    const conversation = this.#writable(id);
    const safe = c.safeName(name);
    return this.opened.attachments.send(conversation, file, safe, metaOfPage(meta));
  }

  /** Only this line's own texts. Raises message.unknown. */
  async edit(id: string, message: string, text: string): Promise<void> {
    const row = await this.#placeOf(id, message, "text");
    await this.#put(row.conversation, { kind: "text", text }, { replaces: message });
  }

  /** One reaction a person: the latest counts, and the same again takes it back. */
  async react(id: string, message: string, emoji: string): Promise<void> {
    const row = await this.#placeOf(id, message, "");
    const { address } = this.opened.core.me;
    const mine = row.reactions.find((one) => one.address === address);
    if (mine !== undefined && (emoji === "" || mine.emoji === emoji))
      await this.#put(row.conversation, { kind: "deleted" }, { replaces: mine.id });
    else if (emoji !== "")
      await this.#put(row.conversation, { kind: "reaction", emoji }, { inReplyTo: message });
  }

  /** Only this line's own. Raises message.unknown. */
  async deleteForAll(id: string, message: string): Promise<void> {
    const row = await this.#placeOf(id, message, "any");
    await this.#put(row.conversation, { kind: "deleted" }, { replaces: message });
  }

  async deleteHere(id: string, message: string): Promise<void> {
    const row = await this.opened.engine.messages.get(message);
    this.#checkIn(id, row);
    await this.opened.core.change((tx) => this.opened.engine.messages.remove(tx, message));
  }

  /** Say again what failed. Raises message.unknown, conversation.left, identity.changed. */
  async retry(id: string, message: string): Promise<void> {
    const { core, engine, attachments } = this.opened;
    const row = await this.#placeOf(id, message, "any");
    await core.change(async (tx) => {
      if (await attachments.again(tx, row)) return;
      const { content } = await engine.messages.again(tx, message);
      await engine.outbox.put(tx, row.conversation, content, message);
    });
    engine.wake();
  }

  async openFile(id: string, message: string): Promise<Blob | null> {
    this.#checkIn(id, await this.opened.engine.messages.get(message));
    return this.opened.attachments.open(message);
  }

  async readFile(id: string, message: string): Promise<ReadableStream<Uint8Array> | null> {
    this.#checkIn(id, await this.opened.engine.messages.get(message));
    return this.opened.attachments.read(message);
  }

  async cancelFile(id: string, message: string): Promise<void> {
    this.#checkIn(id, await this.opened.engine.messages.get(message));
    await this.opened.attachments.cancel(message);
  }

  /** The newest `count` before `before` (0: the end), oldest first. */
  messages(id: string, before: number, count: number): Promise<Message[]> {
    return this.opened.engine.shown.newest(id, before, count);
  }

  async search(words: string, count: number): Promise<Hit[]> {
    const { core, engine, search } = this.opened;
    const where = await core.store.several(
      tables.where,
      (await search.find(words, count)).map((id) => [id, 0]),
    );
    const rows = await core.store.several(
      tables.messages,
      where.flatMap((one) => (one ? [[one.conversation, one.seq] as const] : [])),
    );
    const found = rows.filter((row) => row !== undefined);
    const ids = [...new Set(found.map((row) => row.conversation))];
    const shown = await Promise.all(ids.map((id) => engine.shown.conversation(id)));
    const hits: Hit[] = [];
    for (const row of found) {
      const conversation = shown[ids.indexOf(row.conversation)];
      if (conversation) hits.push({ message: engine.shown.message(row), conversation });
    }
    return hits;
  }

  // --- inside

  /** Where a message to this conversation goes. Raises conversation.*, identity.changed, term.*. */
  #writable(id: string): string {
    const { groups, contacts, terms, log } = this.opened.engine;
    terms.checkSending();
    const row = groups.row(id);
    const direct = row.kind === "direct" && row.peer !== null ? groups.directWith(row.peer) : null;
    const conversation = direct ?? id;
    if (groups.activity(conversation) !== ACTIVE) throw error("conversation.left");
    contacts.checkUnchanged(row.peer === null ? groups.addresses(conversation) : [row.peer]);
    log.doubts.checkSending(conversation);
    log.alarms.checkSending();
    return conversation;
  }

  #checkIn(id: string, row: MessageRow): void {
    const { groups } = this.opened.engine;
    if (!groups.twins(id).some((twin) => twin.id === row.conversation))
      throw error("message.unknown");
  }

  async #placeOf(id: string, message: string, own: "" | "any" | "text"): Promise<MessageRow> {
    const { groups, contacts, log, messages, terms } = this.opened.engine;
    terms.checkSending();
    // What was said may be taken back at any time.
    if (own !== "any") log.alarms.checkSending();
    const row = await messages.get(message);
    this.#checkIn(id, row);
    if (row.kind === "notice") throw error("message.unknown");
    if (own !== "" && !row.mine) throw error("message.unknown", "That message is not yours.");
    if (own === "text" && row.kind !== "text")
      throw error("message.unknown", "Only a text can be edited.");
    if (groups.activity(row.conversation) !== ACTIVE) throw error("conversation.left");
    contacts.checkUnchanged(groups.addresses(row.conversation));
    return row;
  }

  async #put(
    conversation: string,
    body: c.Body,
    options: { replaces?: string; inReplyTo?: string | null; timer?: number },
  ): Promise<string> {
    const { core, engine } = this.opened;
    const { id, data } = engine.messages.make(conversation, body, options);
    const shows = body.kind === "text" && options.replaces === undefined;
    await core.change(async (tx) => {
      await engine.messages.apply(tx, {
        conversation,
        id,
        address: core.me.address,
        at: core.now(),
        message: c.decode(data),
        own: true,
        content: data,
      });
      await engine.outbox.put(tx, conversation, data, shows ? id : null);
    });
    engine.wake();
    return id;
  }
}
