/**
 * Whether the relay hands on what it has for this phone (docs/protocol.md section 9.3).
 *
 * A relay that keeps a mailbox shut looks like a quiet day: nobody writes. So a phone that has heard nothing for a
 * while sends a message to itself, by its own delivery token and without a sign-in, in the form of any other: the
 * relay cannot tell it from a friend's. If it takes two of them and hands out neither, it is keeping this phone's
 * messages back, and the person is told. Nobody else needs to be awake for it.
 */

import { blankMessage } from "../mls";
import { type Bytes, randomBytes, toHex } from "../wire/bytes";
import { historyOf } from "../wire/chain";
import type { Core, Tx } from "./core";
import type { Groups } from "./groups";
import type { Alarms } from "./logAlarms";
import type { Courier } from "./outbox";
import type { Tokens } from "./tokens";

/** So long without a message from anybody, and a phone asks by itself. */
export const QUIET_SECONDS = 3600;
/** As long where something was sent that nobody has answered, with a receipt or otherwise. */
export const WAITING_SECONDS = 120;
/** So long one may take to come back. A phone that slept meanwhile sends another before it says anything. */
export const ANSWER_SECONDS = 60;
const ALARM_AFTER = 2;
/** Ids of the last ones: one that comes late is known, too. */
const KEPT = 16;
/** The two ciphertexts of a receipt, as Chappe's suite makes them: 256 padded bytes, a signature, a tag. */
const SENDER_BYTES = 28;
const RECEIPT_BYTES = 340;
const IDS = "echo";
const CODE = "relay.silent";
const NOTHING = new Uint8Array(0);

export class Echo {
  #ids: string[] = [];
  /** Those that have not come back. */
  #out = new Set<string>();
  #heardAt: number;
  #lastAt: number;
  #askedAt: number | null = null;
  #missing = 0;
  #said = false;

  constructor(
    private readonly core: Core,
    private readonly groups: Groups,
    private readonly tokens: Pick<Tokens, "own">,
    private readonly courier: Courier,
    private readonly alarms: Alarms,
  ) {
    this.#heardAt = core.now();
    this.#lastAt = core.now();
  }

  async load(): Promise<void> {
    this.#ids = (await this.core.meta<string[]>(IDS)) ?? [];
  }

  // --- what comes

  /** Something came that only a member can have written, and not before. */
  heard(tx: Tx): void {
    for (const one of this.alarms.all())
      if (one.code === CODE && !one.settled) this.alarms.settleRow(tx, one.row);
    tx.after(() => {
      this.#heardAt = this.core.now();
      this.#askedAt = null;
      this.#said = false;
      this.#missing = 0;
      this.#out.clear();
    });
  }

  /** Whether an envelope is one that this phone sent to itself. One that comes again says nothing. */
  took(tx: Tx, id: Bytes): boolean {
    const name = toHex(id);
    if (this.#out.has(name)) this.heard(tx);
    return this.#ids.includes(name);
  }

  /** The relay took a message of this phone: somebody may be expected to answer it. */
  said(): void {
    this.#said = true;
  }

  // --- what is asked

  /** When to look again, Unix seconds. */
  get due(): number {
    if (this.#askedAt !== null) return this.#askedAt + ANSWER_SECONDS;
    const wait = this.#said ? WAITING_SECONDS : QUIET_SECONDS;
    return Math.max(this.#heardAt, this.#lastAt) + wait;
  }

  /** Raises network.*, storage.*, and what the relay refuses a message with. */
  async pump(): Promise<void> {
    const now = this.core.now();
    if (now < this.#heardAt || now < this.#lastAt) {
      // The clock was put back.
      this.#heardAt = now;
      this.#lastAt = now;
      this.#askedAt = null;
    }
    if (now < this.due) return;
    if (this.#askedAt !== null) {
      this.#askedAt = null;
      this.#missing += 1;
      if (this.#missing >= ALARM_AFTER) {
        this.#lastAt = now;
        await this.#alarm();
        return;
      }
    }
    await this.#ask(now);
  }

  async #alarm(): Promise<void> {
    const said = `${this.#missing} messages to this device itself were taken and never handed out`;
    // Each time that it falls silent is another alarm.
    const raised = { code: CODE, about: `mailbox ${this.#heardAt}`, said, ours: NOTHING } as const;
    await this.core.change((tx) => this.alarms.raise(tx, raised));
  }

  async #ask(now: number): Promise<void> {
    this.#lastAt = now;
    const token = this.tokens.own;
    const conversations = this.groups.active();
    const conversation = conversations[randomPlace(conversations.length)];
    if (token === null || conversation === undefined) return;
    const id = randomBytes(16);
    const payload = await this.core.change(async (tx) => {
      this.#ids = [...this.#ids, toHex(id)].slice(-KEPT);
      this.core.setMeta(tx, IDS, this.#ids);
      return this.#likeAReceipt(tx, conversation);
    });
    this.#out.add(toHex(id));
    const to: [Bytes, Bytes][] = [[this.core.me.certificate.deviceId, token]];
    const [outcome] = await this.courier.deliver([{ id, to, payload }]);
    // It may have come back before the answer did.
    if (outcome?.t === "accepted" && this.#out.has(toHex(id))) this.#askedAt = now;
  }

  /** What a receipt there looks like to whoever has no key of the conversation; it opens nowhere. */
  async #likeAReceipt(tx: Tx, conversation: string): Promise<Bytes> {
    const group = await this.groups.group(tx, conversation);
    const { id, epoch } = group;
    const history = historyOf(id, epoch, group.transcriptHash(epoch) ?? NOTHING);
    const random = [randomBytes(SENDER_BYTES), randomBytes(RECEIPT_BYTES)] as const;
    return new Uint8Array(blankMessage({ id, epoch }, history, ...random));
  }
}

function randomPlace(count: number): number {
  return count === 0 ? 0 : new DataView(randomBytes(4).buffer).getUint32(0) % count;
}
