/**
 * Delivery tokens: this device's own, and those that others have handed out (docs/protocol.md section 9.3).
 *
 * With a token of each recipient a message goes to the relay without a sign-in. A device's own is left with the
 * relay before it is told to anybody, told in each conversation where somebody is who has not heard it, and made
 * anew when somebody who heard it shares no conversation any more, or by age.
 */

import { type Bytes, equal, randomBytes, toHex } from "../wire/bytes";
import { tokenDigest } from "../wire/delivery";
import { ChappeError } from "../wire/errors";
import type { Delivery } from "../wire/parts";
import { TOKEN_BYTES } from "../wire/parts";
import type { Core, Tx } from "./core";
import type { Groups } from "./groups";
import { MAX_READ_RECEIPT_LINES, type Messages } from "./messages";
import { LEFT, type OwnToken } from "./rows";
import type { Wire } from "./wire";

/** In larger conversations a device does not hand its token out: each would have to tell each. */
const MAX_LINES = MAX_READ_RECEIPT_LINES;
const AGE_SECONDS = 30 * 24 * 3600;
/** Not more often than this, whoever comes and goes. */
const LEAST_SECONDS = 600;
const OVERLAP_SECONDS = 600;
const OVERLAP_BY_AGE = 24 * 3600;
const OWN = "delivery";

/** Queues a content in a conversation. */
export type Put = (tx: Tx, conversation: string, content: Bytes, message: null) => Promise<void>;

export class Tokens {
  #own: OwnToken | undefined;
  /** The number of the token that the relay has of this device, on this connection. */
  #left: number | null = null;
  /** On this connection the relay takes no tokens. */
  #useless = false;

  constructor(
    private readonly core: Core,
    private readonly groups: Groups,
    private readonly messages: Messages,
    private readonly wire: Wire,
  ) {}

  // --- of others

  /** Their tokens; null where one is not known. */
  of(devices: Bytes[]): Bytes[] | null {
    const found = devices.flatMap((one) => this.core.book.tokens.get(toHex(one))?.token ?? []);
    return found.length === devices.length ? found : null;
  }

  /** A device told its token: the highest number counts. */
  learn(tx: Tx, device: string, { number, token }: Delivery): void {
    if (device === this.core.me.device) return;
    const kept = this.core.book.tokens.get(device);
    if (kept === undefined || kept.number < number)
      this.core.book.tokens.put(tx.change, { device, number, token });
  }

  /** The relay took this token for none. One that came meanwhile stays. */
  refused(tx: Tx, device: Bytes, token: Bytes): void {
    const kept = this.core.book.tokens.get(toHex(device));
    if (kept !== undefined && equal(kept.token, token))
      this.core.book.tokens.delete(tx.change, kept.device);
  }

  // --- its own

  /** This phone's, while the relay has it. */
  get own(): Bytes | null {
    return this.#own !== undefined && this.#own.number === this.#left ? this.#own.token : null;
  }

  /** The relay may be another than it was, put back from a copy. */
  reconnected(): void {
    this.#left = null;
    this.#useless = false;
  }

  /** Everybody who is to know the token has been told. */
  get idle(): boolean {
    if (this.#useless) return true;
    return this.#left !== null && this.#left === this.#own?.number && this.#untold().length === 0;
  }

  /** Leave the token with the relay, and `put` what tells it. Raises network.*, storage.*. */
  async pump(put: Put): Promise<void> {
    if (this.#useless) return;
    this.#own ??= await this.core.meta<OwnToken>(OWN);
    const now = this.core.now();
    if (this.idle && !isDue(this.#own, this.#deserted(), now)) return;
    const own = await this.core.change((tx) => this.#due(tx, now));
    this.#own = own;
    if (this.#left !== own.number && !(await this.#leave(own))) return;
    await this.core.change((tx) => this.#tell(tx, own, put));
  }

  /** False where the relay takes none: then nobody is told one. */
  async #leave({ number, token, overlap }: OwnToken): Promise<boolean> {
    try {
      const digest = tokenDigest(token);
      await this.wire.ask((ref) => ({ t: "token", ref, digest, overlap }), "done");
    } catch (problem) {
      if (!(problem instanceof ChappeError) || problem.code.startsWith("network.")) throw problem;
      this.#useless = true;
      return false;
    }
    this.#left = number;
    return true;
  }

  /** The token as it is now: another one where it is time for that. */
  #due(tx: Tx, now: number): OwnToken {
    const own = this.#own;
    const reason = own === undefined ? "first" : isDue(own, this.#deserted(), now);
    if (own !== undefined && reason === null) return own;
    const overlap = reason === "age" ? OVERLAP_BY_AGE : reason === "gone" ? OVERLAP_SECONDS : 0;
    const token = randomBytes(TOKEN_BYTES);
    const made = { number: (own?.number ?? 0) + 1, token, madeAt: now, overlap };
    this.core.setMeta(tx, OWN, made);
    for (const { conversation } of this.core.book.told.all())
      this.core.book.told.delete(tx.change, conversation);
    return made;
  }

  /** Whether a device that was told shares no conversation any more. */
  #deserted(): boolean {
    const shared = this.core.book.conversations.all().filter((one) => one.active !== LEFT);
    const company = new Set(shared.flatMap((one) => one.places.map((place) => place.device)));
    return this.core.book.told.all().some((one) => one.devices.some((d) => !company.has(d)));
  }

  /** Conversations where somebody has not heard it. */
  #untold(): string[] {
    return this.groups.active().filter((id) => {
      if (this.groups.addresses(id).length > MAX_LINES) return false;
      const told = new Set(this.core.book.told.get(id)?.devices ?? []);
      return this.groups.otherDevices(id).some((device) => !told.has(toHex(device)));
    });
  }

  async #tell(tx: Tx, { number, token }: OwnToken, put: Put): Promise<void> {
    for (const conversation of this.#untold()) {
      const { data } = this.messages.make(conversation, { kind: "delivery", number, token });
      await put(tx, conversation, data, null);
      // Who has gone stays in it: that is who makes the next token due.
      const before = this.core.book.told.get(conversation)?.devices ?? [];
      const present = this.groups.otherDevices(conversation).map(toHex);
      const devices = [...new Set([...before, ...present])];
      this.core.book.told.put(tx.change, { conversation, devices });
    }
  }
}

function isDue(own: OwnToken | undefined, deserted: boolean, now: number): "age" | "gone" | null {
  if (own === undefined) return null;
  const age = now - own.madeAt;
  if (age >= AGE_SECONDS || age < 0) return "age";
  return age >= LEAST_SECONDS && deserted ? "gone" : null;
}
