/** What comes from the mailbox. Nothing that a peer or a relay can send stops what comes after it. */

import {
  type ApplicationMessage,
  type CommitApplied,
  Group,
  MlsFault,
  type Peeked,
  type ProposalReceived,
  peek,
  same,
  welcomeRefs,
} from "../mls";
import { fromHex, toHex } from "../wire/bytes";
import { decodeItem } from "../wire/chain";
import * as c from "../wire/content";
import { ChappeError, type Code, error } from "../wire/errors";
import type { Chains } from "./chains";
import type { Changes } from "./changes";
import { type Contacts, verifiedCertificate } from "./contacts";
import type { Core, Tx } from "./core";
import { type Description, descriptionOf, type Groups } from "./groups";
import type { Keys } from "./keys";
import type { Alarms } from "./logAlarms";
import { MAX_STATUSES, type Messages } from "./messages";
import { isByOrder, type Notices } from "./notices";
import type { Outbox } from "./outbox";
import { Parked } from "./parked";
import type { Proofs } from "./proofs";
import { LEFT, tables } from "./rows";
import { checkFollowed, checkForm, removedFromOutside } from "./senders";
import type { Tokens } from "./tokens";

/** Proposals from outside that are kept aside, per conversation; and the most that one is, in bytes. */
const MAX_OUTSIDE = 64;
const MAX_PROPOSAL = 16 * 1024;

type Framed = Extract<Peeked, { kind: "private" | "public" }>;

export class Inbox {
  readonly #parked: Parked;

  constructor(
    private readonly core: Core,
    private readonly groups: Groups,
    private readonly contacts: Contacts,
    private readonly keys: Keys,
    private readonly messages: Messages,
    private readonly chains: Chains,
    private readonly proofs: Proofs,
    private readonly changes: Changes,
    private readonly notices: Notices,
    private readonly outbox: Outbox,
    private readonly tokens: Tokens,
    private readonly alarms: Alarms,
  ) {
    this.#parked = new Parked(core);
  }

  /** A message opened: somebody of the conversation has written it, and it is new. */
  onHeard: (tx: Tx) => void = () => {};

  /** One envelope. Raises storage.* only. */
  async take(tx: Tx, payload: Uint8Array, at: number): Promise<void> {
    let seen: Peeked;
    try {
      seen = peek(payload);
    } catch (problem) {
      tx.fail(codeOf(problem), null);
      return;
    }
    if (seen.kind === "welcome") await this.#join(tx, payload);
    else if (seen.kind === "private" || seen.kind === "public")
      await this.#forGroup(tx, seen, payload, at);
    else tx.fail("message.unreadable", null);
  }

  async #forGroup(tx: Tx, seen: Framed, payload: Uint8Array, at: number): Promise<void> {
    const id = toHex(seen.group);
    if (!this.groups.has(id)) {
      tx.fail("conversation.unknown", null);
      return;
    }
    if (this.groups.activity(id) === LEFT) return;
    if (seen.kind === "public") {
      // Members' handshakes travel encrypted; one in the clear is an organisation's proposal, or nobody's.
      if (seen.content === "proposal") await this.#takeFromOutside(tx, seen, payload, at);
      else tx.fail("message.unreadable", id);
      return;
    }
    if (await this.#open(tx, seen, payload, at)) await this.openHeld(tx, id);
  }

  /** Queue receipts for what came in direct conversations. */
  async confirm(tx: Tx): Promise<void> {
    const waiting = this.messages.toConfirm;
    this.messages.toConfirm = new Map();
    for (const [conversation, ids] of waiting)
      await this.sendReceipts(tx, conversation, ids, c.DELIVERED);
  }

  async sendReceipts(tx: Tx, conversation: string, ids: string[], status: c.Status): Promise<void> {
    for (let start = 0; start < ids.length; start += MAX_STATUSES) {
      const part = ids.slice(start, start + MAX_STATUSES);
      const statuses = part.map((id): [c.Message["salt"], c.Status] => [fromHex(id), status]);
      const { data } = this.messages.make(conversation, { kind: "receipt", statuses });
      await this.outbox.put(tx, conversation, data, null);
    }
  }

  // --- Welcomes

  async #join(tx: Tx, payload: Uint8Array): Promise<void> {
    const { authenticate, seen } = this.contacts.check(null);
    try {
      const bundle = this.keys.find(welcomeRefs(payload));
      if (bundle === undefined) {
        await this.#lookAtSpent(tx, payload);
        return;
      }
      const { signer } = this.core.me;
      const group = await Group.join(payload, bundle.stored, signer, authenticate);
      const description = descriptionOf(group);
      const peer = this.#peerOf(group, description);
      checkForm(group);
      this.keys.spend(tx, bundle, payload);
      if (this.#wouldReplace(group, description, peer)) {
        tx.fail("message.unreadable", toHex(group.id));
        return;
      }
      await this.contacts.learn(tx, seen);
      const id = this.groups.insert(tx, group, description, peer);
      if (description.kind === "group") await this.notices.ofSelf(tx, id, "joined");
    } catch (problem) {
      this.#passOver(tx, problem, null);
    }
  }

  /**
   * A key package is for one Welcome. Another to one that has served: the relay handed it out twice, or whoever had
   * it first has used it twice. The same Welcome may come again.
   */
  async #lookAtSpent(tx: Tx, payload: Uint8Array): Promise<void> {
    const ref = this.keys.reused(welcomeRefs(payload), payload);
    if (ref === undefined) return;
    const said = `a Welcome to the key package ${ref}, which another Welcome has used up`;
    const ours = new Uint8Array(0);
    await this.alarms.raise(tx, { code: "relay.key_reused", about: ref, said, ours });
  }

  /**
   * A Welcome to a conversation that goes on here would replace it: only a stranger gains by that. One that
   * was left begins again as what it was, or not at all: it is shown under its old name.
   */
  #wouldReplace(group: Group, description: Description, peer: string | null): boolean {
    const id = toHex(group.id);
    if (!this.groups.has(id)) return false;
    const row = this.groups.row(id);
    return row.active !== LEFT || row.kind !== description.kind || row.peer !== peer;
  }

  /** The other line of a direct conversation. Raises certificate.invalid if there is not just one. */
  #peerOf(group: Group, { kind }: Description): string | null {
    if (kind !== "direct") return null;
    const addresses = group.members.map((one) => verifiedCertificate(one.identity).address);
    const others = [...new Set(addresses)].filter((one) => one !== this.core.me.address);
    const [peer] = others;
    if (peer === undefined || others.length !== 1) throw error("certificate.invalid");
    return peer;
  }

  // --- messages

  /** Open one message; true if it began an epoch. */
  async #open(tx: Tx, seen: Framed, payload: Uint8Array, at: number): Promise<boolean> {
    const id = toHex(seen.group);
    const current = await this.groups.group(tx, id);
    const check = this.contacts.check(this.groups.allowed(id));
    try {
      const isCommit = seen.content === "commit";
      const group = isCommit ? await this.#withOutside(tx, id, current) : current;
      const options = { now: this.core.now(), authenticate: check.authenticate };
      const { group: after, received } = await group.process(payload, options);
      this.onHeard(tx);
      if (received.kind === "application") {
        this.groups.keep(tx, id, after);
        await this.#takeContent(tx, id, after, received, at);
        return false;
      }
      if (received.kind === "proposal") {
        this.#checkProposal(group, received);
        this.groups.keep(tx, id, after);
        await this.#takeProposal(tx, id, received);
        return false;
      }
      this.#checkCommit(group, after, received);
      await this.contacts.learn(tx, check.seen);
      await this.#takeCommit(tx, id, group, after, received);
      return !received.removedSelf;
    } catch (problem) {
      if (problem instanceof MlsFault && problem.kind === "consumed") {
        if (seen.content === "application") this.chains.replayed(tx, id);
        return false;
      }
      if (problem instanceof MlsFault && problem.kind === "ahead") {
        await this.#parked.add(tx, id, payload, at);
        return false;
      }
      this.#passOver(tx, problem, id);
      // Where a message should be, its place is left.
      if (seen.content !== "application") return false;
      await this.messages.insertUnreadable(tx, id, "", at);
      if (problem instanceof MlsFault && problem.kind === "invalid")
        await this.chains.checkHistory(tx, current, seen.epoch, seen.authenticatedData, null);
      return false;
    }
  }

  /** A conversation does not change its kind, and its organisations keep their places. */
  #checkCommit(before: Group, after: Group, { removedSelf }: CommitApplied): void {
    if (removedSelf) return;
    if (descriptionOf(after).kind !== descriptionOf(before).kind) throw error("content.malformed");
    checkFollowed(before, after);
  }

  /** Whatever is kept is carried out by the next commit: a line that leaves puts its own devices out, and
   * nothing else may be. */
  #checkProposal(group: Group, { leaf, sender }: ProposalReceived): void {
    const gone = group.members.find((one) => one.leaf === leaf);
    if (gone === undefined || "external" in sender) throw error("message.unreadable");
    const [target, asker] = [gone, sender.member].map((one) => verifiedCertificate(one.identity));
    if (target?.address !== asker?.address) throw error("message.unreadable");
  }

  /** Who leaves cannot commit it: the others do, whoever is first. */
  async #takeProposal(tx: Tx, id: string, { leaf }: ProposalReceived): Promise<void> {
    const place = this.groups.row(id).places.find((one) => one.leaf === leaf);
    if (place?.address !== this.core.me.address)
      await this.changes.want(tx, id, { kind: "settle" });
  }

  // --- proposals from outside

  /**
   * An organisation's Remove, sent on by the member who will commit it. It is kept aside, not in the group:
   * whose order it carries out that member has verified, and this one has not, so nothing is held back for it
   * and no commit of this device carries it.
   */
  async #takeFromOutside(tx: Tx, seen: Framed, payload: Uint8Array, at: number): Promise<void> {
    const id = toHex(seen.group);
    const group = await this.groups.group(tx, id);
    const absurd = payload.length > MAX_PROPOSAL;
    if (absurd || (seen.epoch === group.epoch && (await this.#withOne(group, payload)) === null)) {
      tx.fail("message.unreadable", id);
      return;
    }
    const kept = await tx.change.range(tables.outside, id);
    const known = kept.some(({ value }) => same(value.payload, payload));
    if (seen.epoch < group.epoch || kept.length >= MAX_OUTSIDE || known) return;
    const row = await tx.change.next("held");
    const value = { row, conversation: id, at, payload: new Uint8Array(payload) };
    tx.change.put(tables.outside, id, value, row);
  }

  async #withOne(group: Group, payload: Uint8Array): Promise<Group | null> {
    try {
      const { authenticate } = this.contacts.check(null);
      const options = { now: this.core.now(), authenticate };
      const { group: after, received } = await group.process(payload, options);
      if (received.kind !== "proposal") return null;
      removedFromOutside(group, received);
      return after;
    } catch (problem) {
      if (problem instanceof MlsFault || problem instanceof ChappeError) return null;
      throw problem;
    }
  }

  /** The group as a commit of this epoch may presuppose it. */
  async #withOutside(tx: Tx, id: string, group: Group): Promise<Group> {
    let with_ = group;
    for (const { value } of await tx.change.range(tables.outside, id)) {
      const seen = peek(value.payload);
      if (seen.kind === "public" && seen.epoch === group.epoch)
        with_ = (await this.#withOne(with_, value.payload)) ?? with_;
    }
    return with_;
  }

  async #takeContent(
    tx: Tx,
    id: string,
    group: Group,
    received: ApplicationMessage,
    at: number,
  ): Promise<void> {
    const { sender, data, epoch, authenticatedData } = received;
    let address = "";
    try {
      const certificate = verifiedCertificate(sender.identity);
      if (!this.contacts.speaksForItsLine(certificate)) throw error("certificate.invalid");
      address = certificate.address;
      const item = decodeItem(data);
      await this.chains.checkHistory(tx, group, epoch, authenticatedData, address);
      const heed = await this.chains.take(tx, id, certificate, item);
      if (heed === "not") return;
      const message = c.decode(item.body);
      if ((item.link === null) !== (message.body.kind === "typing"))
        throw error("content.malformed");
      if (message.body.kind === "delivery") {
        this.tokens.learn(tx, toHex(certificate.deviceId), message.body);
        return;
      }
      const messageId = this.messages.idOf(id, address, item.body);
      const incoming = { conversation: id, id: messageId, address, at, message, own: false };
      await this.messages.apply(tx, incoming);
      await this.proofs.keep(tx, incoming, received);
      const shown = message.body.kind === "text" || message.body.kind === "attachment";
      if (heed === "late" && shown && message.replaces === null)
        await this.chains.late(tx, id, address);
    } catch (problem) {
      if (!(problem instanceof ChappeError) || problem.fault === "storage") throw problem;
      await this.messages.insertUnreadable(tx, id, address, at);
    }
  }

  async #takeCommit(
    tx: Tx,
    id: string,
    before: Group,
    after: Group,
    applied: CommitApplied,
  ): Promise<void> {
    this.changes.superseded(tx, id, before.epoch);
    if (applied.removedSelf) {
      const own = applied.removed.find((one) => one.member.leaf === before.ownLeaf);
      const leaving = this.groups.activity(id) !== LEFT && this.#isLeaving(id);
      const ordered = own?.by === null || isByOrder(applied.authenticatedData);
      const what = ordered ? "removed_by_order" : leaving ? "left" : "removed";
      await this.notices.ofSelf(tx, id, what);
      await this.groups.forget(tx, id);
      this.changes.abandon(tx, id, error("conversation.left"));
      return;
    }
    await this.notices.ofOther(tx, id, before, after, applied);
    this.groups.enter(tx, id, after);
    for (const { number, value } of await tx.change.range(tables.outside, id)) {
      const seen = peek(value.payload);
      if (seen.kind === "public" && seen.epoch < after.epoch)
        tx.change.delete(tables.outside, id, number);
    }
    // Who had not heard of an order may have let in a device that it had put out.
    for (const { identity } of applied.added) {
      const device = toHex(verifiedCertificate(identity).deviceId);
      const order = this.changes.orderedOut(device);
      if (order === undefined) continue;
      const intent = { kind: "remove_device" as const, device, order, proposal: null };
      await this.changes.wantOut(tx, id, intent);
    }
    if (isByOrder(applied.authenticatedData)) await this.changes.endIfAlone(tx, id);
  }

  #isLeaving(id: string): boolean {
    const { intents } = this.core.book;
    return intents.all().some((one) => one.conversation === id && one.intent.kind === "leave");
  }

  // --- what waits, and what cannot be opened

  /** An epoch began: what was held for it is opened, and so on while epochs begin. */
  async openHeld(tx: Tx, id: string): Promise<void> {
    let advanced = true;
    while (advanced) {
      advanced = false;
      for (const { row, at, seen, payload } of await this.#held(tx, id)) {
        this.#parked.drop(tx, id, row);
        if (await this.#open(tx, seen, payload, at)) {
          advanced = true;
          break;
        }
        if (this.groups.activity(id) === LEFT) return;
      }
    }
  }

  /** What can be opened now: epoch by epoch, and the commit that ends an epoch last. */
  async #held(
    tx: Tx,
    id: string,
  ): Promise<{ row: number; at: number; seen: Framed; payload: Uint8Array }[]> {
    const { epoch } = this.groups.row(id);
    const ready = (await this.#parked.of(tx, id)).flatMap(({ row, at, payload }) => {
      const seen = peek(payload);
      const fits = (seen.kind === "private" || seen.kind === "public") && seen.epoch <= epoch;
      return fits ? [{ row, at, payload, seen }] : [];
    });
    const last = (one: (typeof ready)[number]): number => (one.seen.content === "commit" ? 1 : 0);
    return ready.sort((a, b) => a.seen.epoch - b.seen.epoch || last(a) - last(b) || a.row - b.row);
  }

  /** Say so and go on; what is of the store, or a fault of this program, is raised. */
  #passOver(tx: Tx, problem: unknown, conversation: string | null): void {
    const passes =
      problem instanceof MlsFault ||
      (problem instanceof ChappeError && problem.fault !== "storage");
    if (!passes) throw problem;
    tx.fail(codeOf(problem), conversation);
  }
}

const codeOf = (problem: unknown): Code =>
  problem instanceof ChappeError ? problem.code : "message.unreadable";
