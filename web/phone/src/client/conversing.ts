/** What a person does with conversations and contacts, as calls. Everything is durable when a call returns. */

import { toHex } from "../wire/bytes";
import { checkAddress } from "../wire/certificate";
import { READ } from "../wire/content";
import { error } from "../wire/errors";
import { verifiedCertificate } from "./contacts";
import type { Contact, Conversation, DeviceInfo, SafetyNumber } from "./face";
import { MAX_NAME } from "./groups";
import { MAX_READ_RECEIPT_LINES } from "./messages";
import type { Opened } from "./opened";
import { ACTIVE, type ConversationRow, type Intent, LEAVING } from "./rows";

const CHANGE_SECONDS = 30;
/** More for each member of a group that is made: an old phone seals its Welcome to each. */
const SECONDS_EACH = 0.5;

/** What is done of making a group: who they are, what lets them in, the commit that does it. */
export type TellGroup = (stage: "people" | "keys" | "commit", done: number, all: number) => void;

export class Conversing {
  constructor(private readonly opened: Opened) {}

  // --- people

  contacts(): Contact[] {
    const { contacts, shown } = this.opened.engine;
    return contacts.all().map((row) => shown.contact(row));
  }

  /** Raises address.malformed, address.unknown, network.*. */
  async contact(text: string): Promise<Contact> {
    const address = checkAddress(text);
    const { contacts, shown } = this.opened.engine;
    await this.#meet([address]);
    return shown.contact(contacts.known(address));
  }

  /** Ask who those are that are not known. Raises address.unknown, network.*. */
  async #meet(addresses: string[], told?: (done: number) => void): Promise<void> {
    const { engine, core } = this.opened;
    const strangers = addresses.filter((one) => engine.contacts.find(one) === undefined);
    if (strangers.length === 0) return;
    if (!strangers.every((one) => one.endsWith(`@${core.me.server}`)))
      throw error("address.unknown");
    await engine.waitOnline(CHANGE_SECONDS);
    await engine.askWho(strangers, told);
  }

  async safetyNumber(address: string): Promise<SafetyNumber> {
    const contact = await this.contact(address);
    return this.opened.engine.contacts.safetyNumber(contact.address);
  }

  /** Raises address.*, identity.changed. */
  async markVerified(address: string, identity: string): Promise<void> {
    await this.opened.engine.contacts.markVerified(checkAddress(address), identity);
    this.opened.engine.wake();
  }

  /** Take a line's new identity for its own; sending goes on. Raises address.*, identity.changed. */
  async acceptIdentity(address: string, identity: string): Promise<void> {
    await this.opened.engine.contacts.acceptIdentity(checkAddress(address), identity);
    this.opened.engine.wake();
  }

  /** Devices of every line in a conversation. */
  async roster(id: string): Promise<DeviceInfo[]> {
    const { core, engine } = this.opened;
    if (engine.groups.row(id).active !== ACTIVE) return [];
    return core.change(async (tx) => {
      const group = await engine.groups.group(tx, id);
      return group.members.map(({ identity }) => {
        const { deviceId, lineId, address, issuedAt } = verifiedCertificate(identity);
        const device = toHex(deviceId);
        return { device, line: toHex(lineId), address, issuedAt, self: device === core.me.device };
      });
    });
  }

  // --- beginning

  /** Made if need be. Raises address.*, identity.changed, network.*. */
  async with(text: string): Promise<Conversation> {
    const address = checkAddress(text);
    const { core, engine } = this.opened;
    const { groups, contacts, changes } = engine;
    if (address === core.me.address)
      throw error("conversation.member", "That is this line's own address.");
    let id = groups.directWith(address);
    if (id === undefined) {
      engine.terms.checkSending();
      await this.contact(address);
      contacts.checkUnchanged([address]);
      id = await core.change(async (tx) => {
        // Another call, or the other line, may have been quicker.
        const known = groups.directWith(address);
        if (known !== undefined) return known;
        const made = await groups.create(
          tx,
          { kind: "direct", name: "", timer: engine.rules.firstTimer },
          address,
        );
        await changes.want(tx, made, { kind: "add", address, packages: null });
        if (engine.hasSiblings)
          await changes.want(tx, made, {
            kind: "add",
            address: core.me.address,
            packages: null,
          });
        return made;
      });
      engine.wake();
    }
    return engine.shown.conversation(id);
  }

  /** Raises address.*, identity.changed, packages.none_left, network.timeout (it then goes on later). */
  async createGroup(
    name: string,
    texts: string[],
    told: TellGroup = () => {},
  ): Promise<Conversation> {
    checkName(name);
    const { core, engine } = this.opened;
    const { groups, contacts, changes } = engine;
    engine.terms.checkSending();
    const addresses = new Set(texts.map(checkAddress));
    addresses.delete(core.me.address);
    const others = [...addresses].sort();
    await this.#meet(others, (done) => told("people", done, others.length));
    contacts.checkUnchanged(others);
    const { id, rows } = await core.change(async (tx) => {
      const made = await groups.create(
        tx,
        { kind: "group", name, timer: engine.rules.firstTimer },
        null,
      );
      const wanted: number[] = [];
      for (const address of others)
        wanted.push(await changes.want(tx, made, { kind: "add", address, packages: null }));
      if (engine.hasSiblings)
        await changes.want(tx, made, { kind: "add", address: core.me.address, packages: null });
      return { id: made, rows: wanted };
    });
    changes.onFetched = (conversation, done, all) => {
      if (conversation === id) told(done < all ? "keys" : "commit", done, all);
    };
    engine.wake();
    const seconds = CHANGE_SECONDS + rows.length * SECONDS_EACH;
    try {
      for (const row of rows) await changes.outcome(row, seconds);
    } finally {
      changes.onFetched = () => {};
    }
    return engine.shown.conversation(id);
  }

  // --- changing

  /** Raises address.*, conversation.*, identity.changed, packages.none_left, network.*. */
  async add(id: string, text: string): Promise<void> {
    const address = checkAddress(text);
    const { groups, contacts } = this.opened.engine;
    this.#changeable(id, true);
    if (groups.addresses(id).includes(address)) throw error("conversation.member");
    await this.contact(address);
    contacts.checkUnchanged([address]);
    await this.#change(id, { kind: "add", address, packages: null });
  }

  /** Put a line out. Raises conversation.*, network.*. */
  async remove(id: string, text: string): Promise<void> {
    const address = checkAddress(text);
    const { core, engine } = this.opened;
    this.#changeable(id, true);
    const member = engine.groups.addresses(id).includes(address);
    if (!member || address === core.me.address) throw error("conversation.member");
    await this.#change(id, { kind: "remove", address, impostor: false });
  }

  /** This line writes and reads no more there; the next member online carries it out. */
  async leave(id: string): Promise<void> {
    const { core, engine } = this.opened;
    this.#changeable(id, false);
    await core.change(async (tx) => {
      engine.groups.setActive(tx, id, LEAVING);
      await engine.changes.want(tx, id, { kind: "leave", epoch: -1 });
    });
    engine.wake();
  }

  async rename(id: string, name: string): Promise<void> {
    checkName(name);
    this.#changeable(id, true);
    await this.#change(id, { kind: "describe", name, timer: null });
  }

  /** Messages written from then on disappear so long after they were read; 0 for never. Raises usage.invalid. */
  async setTimer(id: string, seconds: number): Promise<void> {
    this.opened.engine.rules.checkTimer(seconds);
    this.#changeable(id, false);
    await this.#change(id, { kind: "describe", name: null, timer: seconds });
  }

  #changeable(id: string, groupOnly: boolean): void {
    this.opened.engine.terms.checkSending();
    const row = this.opened.engine.groups.row(id);
    if (row.active !== ACTIVE) throw error("conversation.left");
    if (groupOnly && row.kind === "direct")
      throw error(
        "conversation.member",
        "A direct conversation has two lines; make a group instead.",
      );
  }

  async #change(id: string, intent: Intent): Promise<void> {
    const { core, engine } = this.opened;
    const row = await core.change((tx) => engine.changes.want(tx, id, intent));
    engine.wake();
    await engine.changes.outcome(row, CHANGE_SECONDS);
  }

  // --- on this device alone

  setMuted(id: string, muted: boolean): Promise<void> {
    return this.#put(id, { muted });
  }

  setDraft(id: string, draft: string): Promise<void> {
    return this.#put(id, { draft });
  }

  async #put(id: string, with_: Partial<ConversationRow>): Promise<void> {
    const { core, engine } = this.opened;
    await core.change((tx) => {
      const row = engine.groups.row(engine.groups.shownAs(id));
      engine.groups.put(tx, { ...row, ...with_ });
    });
  }

  // --- reading

  /** All that is here; the others are told, in conversations that are not large and where that is wanted. */
  async markRead(id: string): Promise<void> {
    const { core, engine } = this.opened;
    const { groups, messages, inbox, rules } = engine;
    if (groups.twins(id).every((twin) => twin.unread === 0)) return;
    await core.change(async (tx) => {
      for (const twin of groups.twins(id)) {
        const unread = await messages.unread(tx, twin.id);
        await messages.setRead(tx, twin.id, unread);
        const small = groups.addresses(twin.id).length <= MAX_READ_RECEIPT_LINES;
        const known = unread.filter((one) => one.startsWith("01"));
        if (known.length > 0 && small && rules.receipts && twin.active === ACTIVE)
          await inbox.sendReceipts(tx, twin.id, known, READ);
      }
    });
    engine.wake();
  }
}

function checkName(name: string): void {
  const fits =
    name.trim() !== "" && [...name].length <= MAX_NAME && !/[\p{C}\p{Zl}\p{Zp}]/u.test(name);
  if (!fits) throw error("usage.invalid", `A name has 1 to ${MAX_NAME} printable characters.`);
}
