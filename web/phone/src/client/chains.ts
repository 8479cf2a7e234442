/**
 * The chain of messages, kept: this device's own links, and what it has seen of everybody else's
 * (docs/decisions/0012). All of it goes into the change that keeps the message itself.
 */

import { type Group, same } from "../mls";
import { type Bytes, fromHex, randomBytes, toHex } from "../wire/bytes";
import type { DeviceCertificate } from "../wire/certificate";
import * as wire from "../wire/chain";
import { countOf, missing, type Stream, take } from "./chain";
import type { Core, Tx } from "./core";
import type { Groups } from "./groups";
import type { Messages } from "./messages";
import { type ChainRow, type OwnChain, type StreamRow, tables } from "./rows";

/** Seconds after which what is missing is told: a device that was told to wait may say one message late. */
export const GRACE = 15;
/** Of a device, in a conversation: it begins one when it comes in. */
export const MAX_STREAMS = 4;

/** This device comes in, in this epoch: it begins a stream of its own, and each of the others' anew. */
export const begun = (epoch: number): OwnChain => ({
  stream: toHex(randomBytes(wire.STREAM_BYTES)),
  counter: 0,
  head: wire.START,
  joined: epoch,
  strangeEpoch: -1,
  replays: 0,
  voids: [],
});

/** What is to be done with what a message holds; late: some came already that were written after. */
export type Heed = "not" | "now" | "late";

export class Chains {
  /** Seconds; tests do not wait so long. */
  grace = GRACE;

  constructor(
    private readonly core: Core,
    private readonly groups: Groups,
    private readonly messages: Messages,
  ) {}

  /** Of a conversation from before there were chains it begins now. */
  #own(conversation: string): OwnChain {
    const row = this.groups.row(conversation);
    return row.chain ?? begun(row.epoch);
  }

  #put(tx: Tx, conversation: string, chain: OwnChain): void {
    this.groups.put(tx, { ...this.groups.row(conversation), chain });
  }

  // --- sending

  /** The next link of this device, for a content, encoded. */
  link(tx: Tx, conversation: string, epoch: number, content: Bytes): Bytes {
    const own = this.#own(conversation);
    const { head: before } = own;
    const link = { stream: fromHex(own.stream), counter: own.counter + 1, epoch, before };
    const digest = wire.digestOf({ kind: wire.LINKED, link, body: content });
    const head = wire.hashOf(link, fromHex(conversation), fromHex(this.core.me.device), digest);
    this.#put(tx, conversation, { ...own, counter: link.counter, head });
    return wire.encodeLink(link);
  }

  /** The relay refused a message for good: the others are to know that nothing is missing. */
  lost(tx: Tx, conversation: string, link: Bytes, body: Bytes): void {
    const own = this.#own(conversation);
    const item = { kind: link[1] as wire.Kind, link: null, body };
    const one = { link: wire.voided(link), digest: wire.digestOf(item) };
    this.#put(tx, conversation, { ...own, voids: [...own.voids, one] });
  }

  /** What the others have to be told of that; it is the caller's to send. */
  takeVoids(tx: Tx, conversation: string): OwnChain["voids"] {
    const own = this.#own(conversation);
    if (own.voids.length > 0) this.#put(tx, conversation, { ...own, voids: [] });
    return own.voids;
  }

  // --- receiving

  /** Not to be heeded is what came before, and what holds nothing. */
  async take(
    tx: Tx,
    conversation: string,
    sender: DeviceCertificate,
    item: wire.Item,
  ): Promise<Heed> {
    const { link } = item;
    if (link === null) return "now";
    const own = this.#own(conversation);
    if (this.groups.row(conversation).chain === undefined) this.#put(tx, conversation, own);
    const key = `${conversation}/${toHex(sender.deviceId)}`;
    const [stream, address] = [toHex(link.stream), sender.address];
    const row = await this.#row(tx, key, own);
    const before = row.streams.find((one) => one.stream === stream);
    const hash = wire.hashOf(link, fromHex(conversation), sender.deviceId, wire.digestOf(item));
    const when = { now: this.core.now(), joined: own.joined };
    const taken = take(before?.state, link, hash, when);
    if (taken.stream !== before?.state)
      this.#keep(tx, key, conversation, row, { stream, address, state: taken.stream });
    if (taken.filled !== "") await this.#filled(tx, taken.stream, taken.filled);
    if (taken.verdict === "again") {
      this.replayed(tx, conversation);
      return "not";
    }
    if (taken.verdict === "fork" && !before?.state.forked)
      await this.#say(tx, conversation, "fork", [address]);
    if (item.kind === wire.VOID) return "not";
    return before !== undefined && link.counter < before.state.high ? "late" : "now";
  }

  /** The message just shown was written before others that stand above it. */
  async late(tx: Tx, conversation: string, address: string): Promise<void> {
    await this.#say(tx, conversation, "late", [address]);
  }

  /** What came before came again: nothing is done but to count it. */
  replayed(tx: Tx, conversation: string): void {
    const own = this.#own(conversation);
    this.#put(tx, conversation, { ...own, replays: own.replays + 1 });
  }

  /** Of a message that opened, from `address`, or that did not (null): then its word is nobody's. */
  async checkHistory(
    tx: Tx,
    group: Group,
    epoch: number,
    claimed: Uint8Array,
    address: string | null,
  ): Promise<void> {
    const known = group.transcriptHash(epoch);
    if (known === undefined || same(claimed, wire.historyOf(group.id, epoch, known))) return;
    if (address === null && !wire.isHistory(claimed)) return;
    const conversation = toHex(group.id);
    const own = this.#own(conversation);
    if (own.strangeEpoch >= epoch) return;
    this.#put(tx, conversation, { ...own, strangeEpoch: epoch });
    await this.#say(tx, conversation, "fork_history", address === null ? [] : [address]);
  }

  /** Streams of another time here are nobody's: this device was out in between. */
  async #row(tx: Tx, key: string, own: OwnChain): Promise<ChainRow> {
    const row = await tx.change.get(tables.chains, key);
    return row?.own === own.stream ? row : { own: own.stream, streams: [] };
  }

  #keep(tx: Tx, key: string, conversation: string, row: ChainRow, now: StreamRow): void {
    const others = row.streams.filter((one) => one.stream !== now.stream);
    const streams = [...others, now].slice(-MAX_STREAMS);
    tx.change.put(tables.chains, key, { ...row, streams });
    const open = streams.flatMap((one) => one.state.holes.filter((hole) => isOpen(hole)));
    const { holes } = this.core.book;
    if (open.length === 0) {
      holes.delete(tx.change, key);
      return;
    }
    const due = Math.min(...open.map((hole) => hole.since)) + this.grace;
    holes.put(tx.change, { key, conversation, due });
    tx.after(() => this.messages.onExpiry());
  }

  // --- what is missing

  /** When something missing is to be told, in Unix seconds. */
  nextDue(): number | null {
    const times = this.core.book.holes.all().map((one) => one.due);
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Tell of what is still missing. Only once nothing waits in the mailbox: it may be in there. */
  async sweep(): Promise<void> {
    const now = this.core.now();
    const over = this.core.book.holes.all().filter((one) => one.due <= now);
    if (over.length === 0) return;
    await this.core.change(async (tx) => {
      for (const { key, conversation } of over) await this.#tell(tx, key, conversation, now);
    });
  }

  async #tell(tx: Tx, key: string, conversation: string, now: number): Promise<void> {
    const row = await this.#row(tx, key, this.#own(conversation));
    if (row.streams.length === 0) this.core.book.holes.delete(tx.change, key);
    for (const one of row.streams) {
      const holes = [];
      for (const hole of one.state.holes) {
        const due = isOpen(hole) && hole.since + this.grace <= now;
        const notice = due
          ? await this.#say(tx, conversation, "gap", [one.address], String(countOf(hole)))
          : hole.notice;
        holes.push({ ...hole, notice });
      }
      one.state = { ...one.state, holes };
    }
    const last = row.streams.at(-1);
    if (last !== undefined) this.#keep(tx, key, conversation, row, last);
  }

  async #filled(tx: Tx, stream: Stream, notice: string): Promise<void> {
    const left = missing(stream, notice);
    await this.messages.changeNotice(tx, notice, left === 0 ? null : String(left));
  }

  #say(tx: Tx, conversation: string, what: string, who: string[], value = ""): Promise<string> {
    return this.messages.insertNotice(tx, conversation, { what, who, value });
  }
}

const isOpen = (hole: { quiet: boolean; notice: string }): boolean =>
  !hole.quiet && hole.notice === "";
