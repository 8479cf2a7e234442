/**
 * What waits to be sent. Kept in clear inside the store, and encrypted only when its turn has come.
 *
 * State, ciphertext and recipients are durable before a frame leaves, and the frame is said again with the
 * same id until the relay has accepted it: a ratchet key never serves twice, and nothing is lost or doubled
 * by a kill.
 */

import { MlsFault } from "../mls";
import { type Bytes, concat, equal, fromHex, randomBytes, toHex } from "../wire/bytes";
import { historyOf, loose, VOID } from "../wire/chain";
import { MAX_BODY, MAX_MESSAGES, type Outcome, type Sealed } from "../wire/delivery";
import { ChappeError, error, fromPeer } from "../wire/errors";
import type { FromRelay } from "../wire/frames";
import { paddingFor } from "../wire/padding";
import type { Chains } from "./chains";
import { TRY_LATER } from "./connection";
import type { Contacts } from "./contacts";
import type { Core, Tx } from "./core";
import type { Groups } from "./groups";
import type { Messages } from "./messages";
import { ACTIVE, HOLDS_BACK, LEFT, type OutboxRow } from "./rows";
import type { Answered } from "./session";
import type { Tokens } from "./tokens";
import { sleep } from "./transport";
import type { Wire } from "./wire";

/** Frames that are under way at once. */
const WINDOW = 64;
const PAUSE_MS = 3000;
/** Behind by so many, a message may not be readable any more: it is encrypted anew. */
const STALE_EPOCHS = 2;
const ID_BYTES = 16;
const NOTHING = new Uint8Array(0);

const LATER: ReadonlySet<string> = new Set([...TRY_LATER, "network.unreachable"]);

const USED_UP: ReadonlySet<string> = new Set(["limit.rate", "mailbox.full"]);
/** After so many refusals for want of room, so long by the socket. */
const STRIKES = 3;
const SIGNED_IN_MS = 600_000;

/** A frame that is durable here. */
interface Ready {
  row: number;
  conversation: string;
  envelope: Bytes;
  to: Bytes[];
  payload: Bytes;
}

/** One that goes without a sign-in, by its recipients' tokens. */
interface SealedReady extends Ready {
  tokens: Bytes[];
}

/** What takes messages without a sign-in. */
export interface Courier {
  /** One outcome for each. Raises what the relay refused all of them with, or network.*. */
  deliver(messages: Sealed[]): Promise<Outcome[]>;
}

export class Outbox {
  /** Set by the owner: nothing is sent there for now, and whether only a person can change that. */
  isInDoubt: (conversation: string, forAPerson: boolean) => boolean = () => false;
  /** What was said, by its ref. */
  #said = new Map<number, Ready>();
  #notBefore = 0;
  #strikes = 0;
  #signedInUntil = 0;

  constructor(
    private readonly core: Core,
    private readonly groups: Groups,
    private readonly contacts: Contacts,
    private readonly messages: Messages,
    private readonly chains: Chains,
    private readonly wire: Wire & { readonly online: boolean },
    private readonly tokens: Tokens,
    private readonly courier: Courier,
  ) {}

  /** Queue a content. `message` is the row that it becomes, if any. */
  async put(
    tx: Tx,
    conversation: string,
    content: Bytes,
    message: string | null,
    link: Bytes | null = null,
  ): Promise<void> {
    const row = await tx.change.next("outbox");
    const fresh = { epoch: 0, envelope: null, recipients: [], payload: null, link };
    this.core.book.outbox.put(tx.change, { row, conversation, content, message, ...fresh });
  }

  /** Queue a proposal: it holds in this epoch only. */
  async putProposal(tx: Tx, conversation: string, epoch: number, payload: Bytes): Promise<void> {
    const row = await tx.change.next("outbox");
    this.core.book.outbox.put(tx.change, {
      row,
      conversation,
      content: NOTHING,
      message: null,
      epoch,
      envelope: randomBytes(ID_BYTES),
      recipients: this.groups.otherDevices(conversation).map(toHex),
      payload,
    });
  }

  /** Nothing is left that could be sent without a person's doing. */
  get empty(): boolean {
    return this.core.book.outbox
      .all()
      .every((row) => !this.#mayGo(row) || this.#isBarred(row.conversation));
  }

  /** Whatever was said without an answer is said again, in order. */
  reconnected(): void {
    this.#said.clear();
    this.#notBefore = 0;
  }

  /** Say what may be said now. Raises network.unreachable, storage.*. */
  async pump(): Promise<void> {
    while (this.wire.online) {
      await sleep(Math.max(0, this.#notBefore - Date.now()));
      if (!(await this.#say(await this.#prepare()))) return;
    }
  }

  /**
   * Say them in order; where all recipients' tokens are known, without a sign-in. False where nothing could be said:
   * what is under way one way is answered before the conversation takes the other.
   */
  async #say(ready: Ready[]): Promise<boolean> {
    let said = false;
    for (let at = 0; at < ready.length; ) {
      const batch = this.#sealedFrom(ready, at);
      if (batch.length === 0) {
        const one = ready[at++];
        if (one !== undefined) await this.#sayOne(one);
        said = true;
        continue;
      }
      at += batch.length;
      const underWay = new Set([...this.#said.values()].map((one) => one.conversation));
      const free = batch.filter((one) => !underWay.has(one.conversation));
      if (free.length === 0) continue;
      said = true;
      if (!(await this.#post(free))) break;
    }
    return said;
  }

  async #sayOne(one: Ready): Promise<void> {
    const ref = this.wire.newRef();
    this.#said.set(ref, one);
    const { envelope: id, to, payload } = one;
    await this.wire.say({ t: "send", ref, id, to, payload });
  }

  /** From there on, those that go without a sign-in: as many as one request holds. */
  #sealedFrom(ready: Ready[], from: number): SealedReady[] {
    const batch: SealedReady[] = [];
    let size = 0;
    for (const one of ready.slice(from, from + MAX_MESSAGES)) {
      const tokens = this.#tokensFor(one);
      size += one.payload.length + 64 * one.to.length + 64;
      if (tokens === null || (batch.length > 0 && size > MAX_BODY)) break;
      batch.push({ ...one, tokens });
    }
    return batch;
  }

  #tokensFor(one: Pick<Ready, "to">): Bytes[] | null {
    return Date.now() < this.#signedInUntil ? null : this.tokens.of(one.to);
  }

  /** Without a sign-in; the answers are taken here. False where there are none. */
  async #post(batch: SealedReady[]): Promise<boolean> {
    try {
      const outcomes = await this.courier.deliver(batch.map(sealed));
      await this.core.change(async (tx) => {
        for (const [at, one] of batch.entries()) {
          const outcome = outcomes[at];
          if (outcome !== undefined) await this.#takeOutcome(tx, one, outcome);
        }
      });
      return true;
    } catch (problem) {
      if (!(problem instanceof ChappeError) || problem.fault === "storage") throw problem;
      // Perhaps it was taken, and the answer lost: the same ids again, whichever way.
      this.#later();
      if (!problem.code.startsWith("network."))
        this.#struck(problem.code === "http.unknown_path" ? STRIKES : 1);
      return false;
    }
  }

  async #takeOutcome(tx: Tx, one: SealedReady, outcome: Outcome): Promise<void> {
    if (outcome.t === "accepted") {
      this.#strikes = 0;
      await this.#takeAnswer(tx, one.row, { ...outcome, ref: 0 });
    } else if (outcome.code === "delivery.refused") {
      const named = (device: Bytes): boolean => outcome.stale.some((id) => equal(id, device));
      // A relay that names nobody gets no more of them for it: all are forgotten.
      const all = !one.to.some(named);
      for (const [at, device] of one.to.entries()) {
        const token = one.tokens[at];
        if (token !== undefined && (all || named(device))) this.tokens.refused(tx, device, token);
      }
    } else {
      if (USED_UP.has(outcome.code)) this.#struck(1);
      await this.#takeAnswer(tx, one.row, fromPeer(outcome.code));
    }
  }

  /** For a while messages go signed in: a token that leaked, and that somebody uses up, must not stop those who
   * have a limit of their own. */
  #struck(times: number): void {
    this.#strikes += times;
    if (this.#strikes < STRIKES) return;
    this.#strikes = 0;
    this.#signedInUntil = Date.now() + SIGNED_IN_MS;
  }

  #later(): void {
    this.#notBefore = Date.now() + PAUSE_MS;
  }

  /**
   * Say a content now or never: it has no row here, and its answer is not looked at. False where it would have to
   * wait, or nobody is there. Raises network.unreachable, storage.*.
   */
  async sayNow(conversation: string, content: Bytes): Promise<boolean> {
    const now = await this.core.change((tx) => this.#readyNow(tx, conversation, content));
    if (now === null) return false;
    const { envelope, to, payload } = now;
    const tokens = this.#tokensFor(now);
    if (tokens === null)
      await this.wire.say({ t: "send", ref: this.wire.newRef(), id: envelope, to, payload });
    else await this.courier.deliver([sealed({ ...now, row: 0, tokens })]);
    return true;
  }

  /** The state after it is durable, as for any other: a ratchet key never serves twice. */
  async #readyNow(
    tx: Tx,
    conversation: string,
    content: Bytes,
  ): Promise<Omit<Ready, "row"> | null> {
    const waits =
      this.#notBefore > Date.now() ||
      this.core.book.outbox.all().some((row) => row.conversation === conversation) ||
      this.#waiting().has(conversation) ||
      this.#isBarred(conversation) ||
      this.groups.activity(conversation) !== ACTIVE ||
      this.groups.lacksPeer(conversation);
    if (waits || (await this.groups.group(tx, conversation)).pending.length > 0) return null;
    const to = this.groups.otherDevices(conversation);
    if (to.length === 0) return null;
    const { payload } = await this.#seal(tx, conversation, loose(content));
    return { conversation, envelope: randomBytes(ID_BYTES), to, payload };
  }

  /** The next frames, all durable. At most a window in all. */
  async #prepare(): Promise<Ready[]> {
    const underWay = new Set([...this.#said.values()].map((one) => one.row));
    const room = WINDOW - underWay.size;
    if (room <= 0 || this.core.book.outbox.size === 0) return [];
    const rows = this.#next().filter((one) => !underWay.has(one.row));
    if (rows.length === 0) return [];
    return this.core.change(async (tx) => {
      const ready: Ready[] = [];
      for (const { row } of rows.slice(0, room)) {
        // As it is now: another change may have come between.
        const current = this.core.book.outbox.get(row);
        const frame = current === undefined ? null : await this.#ready(tx, current);
        if (frame !== null) ready.push(frame);
      }
      return ready;
    });
  }

  /** Conversations where a change goes before messages. */
  #waiting(): Set<string> {
    const { commits, intents } = this.core.book;
    const waiting = new Set(commits.all().map((one) => one.conversation));
    for (const { conversation, intent } of intents.all())
      if (HOLDS_BACK.has(intent.kind)) waiting.add(conversation);
    for (const id of this.groups.active()) if (this.isInDoubt(id, false)) waiting.add(id);
    return waiting;
  }

  #next(): OutboxRow[] {
    const waiting = this.#waiting();
    const rows = this.core.book.outbox
      .all()
      .filter((row) => !waiting.has(row.conversation) && this.#mayGo(row));
    return rows.filter(({ conversation }) => !this.#isBarred(conversation)).slice(0, 2 * WINDOW);
  }

  /** While the log is forked, receipts and the like go on: with them others hear of the fork. */
  #mayGo({ message }: OutboxRow): boolean {
    return message === null || !this.isForked();
  }

  /** With somebody whose key the relay has not confirmed, or a person has not accepted. */
  #isBarred(conversation: string): boolean {
    return (
      this.isInDoubt(conversation, true) ||
      this.groups.addresses(conversation).some((one) => this.contacts.isBarred(one))
    );
  }

  async #ready(tx: Tx, row: OutboxRow): Promise<Ready | null> {
    const { conversation, message, content } = row;
    const isProposal = content.length === 0;
    const activity = this.groups.activity(conversation);
    if (activity === LEFT || (!isProposal && activity !== ACTIVE)) {
      await this.#fail(tx, row, error("conversation.left"));
      return null;
    }
    const group = await this.groups.group(tx, conversation);
    if (isProposal && row.epoch !== group.epoch) {
      this.core.book.outbox.delete(tx.change, row.row);
      return null;
    }
    const stale = !isProposal && row.epoch <= group.epoch - STALE_EPOCHS;
    if (row.payload !== null && row.envelope !== null && !stale)
      return ready(row, row.envelope, row.payload);
    if (this.groups.lacksPeer(conversation) || group.pending.length > 0) return null;
    const devices = this.groups.otherDevices(conversation);
    if (devices.length === 0) {
      await this.#finish(tx, row.row, message);
      return null;
    }
    return this.#encrypt(tx, row, devices);
  }

  async #encrypt(tx: Tx, row: OutboxRow, devices: Bytes[]): Promise<Ready> {
    const link = row.link ?? (await this.#link(tx, row));
    const { epoch, payload } = await this.#seal(tx, row.conversation, concat(link, row.content));
    const envelope = randomBytes(ID_BYTES);
    const recipients = devices.map(toHex);
    const ready_ = { ...row, epoch, envelope, payload, recipients, link };
    this.core.book.outbox.put(tx.change, ready_);
    return ready(ready_, envelope, payload);
  }

  /** A message keeps the link that it was first encrypted with. */
  async #link(tx: Tx, { conversation, content }: OutboxRow): Promise<Bytes> {
    for (const one of this.chains.takeVoids(tx, conversation))
      await this.put(tx, conversation, one.digest, null, one.link);
    const { epoch } = await this.groups.group(tx, conversation);
    return this.chains.link(tx, conversation, epoch, content);
  }

  async #seal(
    tx: Tx,
    conversation: string,
    data: Bytes,
  ): Promise<{ epoch: number; payload: Bytes }> {
    const before = await this.groups.group(tx, conversation);
    try {
      const { epoch, id } = before;
      const options = {
        now: this.core.now(),
        padding: paddingFor(data.length),
        authenticatedData: historyOf(id, epoch, before.transcriptHash(epoch) ?? NOTHING),
      };
      const sent = await before.encrypt(data, options);
      this.groups.keep(tx, conversation, sent.group);
      const kept = this.groups.row(conversation);
      this.groups.put(tx, { ...kept, leafSent: kept.leafSent + 1 });
      return { epoch: sent.group.epoch, payload: new Uint8Array(sent.message) };
    } catch (problem) {
      throw problem instanceof MlsFault ? error("conversation.left") : problem;
    }
  }

  /** Whether nothing that a person writes may go, anywhere. */
  isForked: () => boolean = () => false;

  /** The relay took something that a person wrote. */
  onSent: () => void = () => {};

  // --- answers

  /** What the relay said to frames of this outbox; other refs are passed over. */
  async answered(answers: readonly Answered[]): Promise<void> {
    const mine = answers.flatMap(({ ref, answer }) => {
      const said = this.#said.get(ref);
      this.#said.delete(ref);
      return said === undefined ? [] : [{ row: said.row, answer }];
    });
    if (mine.length === 0) return;
    await this.core.change(async (tx) => {
      for (const { row, answer } of mine) await this.#takeAnswer(tx, row, answer);
    });
  }

  async #takeAnswer(tx: Tx, number: number, answer: FromRelay | ChappeError): Promise<void> {
    const row = this.core.book.outbox.get(number);
    if (row === undefined) return;
    if (answer instanceof ChappeError) {
      if (answer.code === "id.reused")
        this.core.book.outbox.put(tx.change, { ...row, payload: null });
      else if (LATER.has(answer.code)) this.#later();
      else await this.#fail(tx, row, answer);
    } else if (answer.t === "accepted" && row.envelope !== null && equal(answer.id, row.envelope)) {
      await this.#finish(tx, number, row.message);
    }
  }

  async #finish(tx: Tx, row: number, message: string | null): Promise<void> {
    this.core.book.outbox.delete(tx.change, row);
    if (message === null) return;
    tx.after(() => this.onSent());
    await this.messages.sent(tx, message);
  }

  async #fail(tx: Tx, row: OutboxRow, problem: ChappeError): Promise<void> {
    this.core.book.outbox.delete(tx.change, row.row);
    if (row.link && problem.code !== "conversation.left") {
      this.chains.lost(tx, row.conversation, row.link, row.content);
      if (row.link[1] === VOID) return;
    }
    if (row.message !== null) await this.messages.failed(tx, row.message, problem.code);
    tx.fail(problem.code, row.conversation);
  }
}

const ready = (row: OutboxRow, envelope: Bytes, payload: Bytes): Ready => ({
  row: row.row,
  conversation: row.conversation,
  envelope,
  to: row.recipients.map(fromHex),
  payload,
});

const sealed = ({ envelope, to, tokens, payload }: SealedReady): Sealed => ({
  id: envelope,
  to: to.map((device, at): [Bytes, Bytes] => [device, tokens[at] ?? new Uint8Array()]),
  payload,
});
