/** This device's key packages: enough of them at the relay, their private parts here. */

import { sha256 } from "@noble/hashes/sha2.js";
import { createKeyPackage, same } from "../mls";
import { type Bytes, toHex } from "../wire/bytes";
import type { Core, Tx } from "./core";
import type { PackageRow } from "./rows";
import type { Wire } from "./wire";

export const STOCK = 50;
export const REFILL_BELOW = 25;
const DAY = 24 * 3600;
const LIFETIME = 90 * DAY;
const LAST_RESORT_EVERY = 30 * DAY;
/** Key packages begin a day early: phones whose clocks are behind can still use them. */
const CLOCK_SKEW = DAY;
/** A Welcome may lie in the mailbox for 30 days after its key package has ended. */
const LATE_WELCOME = 31 * DAY;
const NOTHING = new Uint8Array(0);
const RENEWED = "last_resort_at";

interface Made {
  row: PackageRow;
  message: Bytes;
}

export class Keys {
  constructor(
    private readonly core: Core,
    private readonly wire: Wire,
  ) {}

  /**
   * Publish what is missing. `left`, `lastResort`: what the relay has. Raises network.*.
   *
   * Nothing where this phone's clock and the relay's differ by more than `CLOCK_SKEW`. One of them is wrong: others
   * could not use what is made now, and those that they still have would be thrown away.
   */
  async refill(left: number, lastResort: boolean): Promise<void> {
    const renewed = (await this.core.meta<number>(RENEWED)) ?? 0;
    const now = this.core.now();
    if (Math.abs(now - this.wire.relayTime) > CLOCK_SKEW) return;
    const due = renewed > now || renewed + LAST_RESORT_EVERY <= now;
    const wantsLast = !lastResort || due;
    const count = left < REFILL_BELOW ? STOCK - left : 0;
    if (count === 0 && !wantsLast) return;
    // Made outside of the change: fifty pairs of keys take a second, and messages do not wait for them.
    const oneTime: Made[] = [];
    for (let made = 0; made < count; made++) oneTime.push(await this.#make(now, false));
    const last = wantsLast ? await this.#make(now, true) : null;
    await this.core.change((tx) => {
      this.#dropOver(tx, now);
      for (const { row } of last === null ? oneTime : [...oneTime, last])
        this.core.book.packages.put(tx.change, row);
    });
    await this.wire.ask(
      (ref) => ({
        t: "publish",
        ref,
        one_time: oneTime.map((one) => one.message),
        last_resort: last?.message ?? null,
      }),
      "done",
    );
    if (wantsLast) await this.core.change((tx) => this.core.setMeta(tx, RENEWED, now));
  }

  async #make(now: number, lastResort: boolean): Promise<Made> {
    const { me } = this.core;
    const bundle = await createKeyPackage({
      signer: me.signer,
      identity: me.certificateBytes,
      notBefore: now - CLOCK_SKEW,
      notAfter: now + LIFETIME,
      lastResort,
    });
    const row: PackageRow = {
      ref: toHex(bundle.ref),
      stored: new Uint8Array(bundle.stored),
      lastResort,
      expires: now + LIFETIME,
    };
    return { row, message: new Uint8Array(bundle.message) };
  }

  #dropOver(tx: Tx, now: number): void {
    for (const { ref, expires } of this.core.book.packages.all())
      if (expires < now - LATE_WELCOME) this.core.book.packages.delete(tx.change, ref);
  }

  /** The one that one of these references names. */
  find(refs: Uint8Array[]): PackageRow | undefined {
    for (const ref of refs) {
      const row = this.core.book.packages.get(toHex(ref));
      if (row !== undefined && row.served === undefined) return row;
    }
    return undefined;
  }

  /** Its private keys are gone, unless it is the last resort; which Welcome it served stays known. */
  spend(tx: Tx, row: PackageRow, welcome: Uint8Array): void {
    if (row.lastResort) return;
    const served = { ...row, stored: NOTHING, served: new Uint8Array(sha256(welcome)) };
    this.core.book.packages.put(tx.change, served);
  }

  /** The one of these references that has served another Welcome than this. */
  reused(refs: Uint8Array[], welcome: Uint8Array): string | undefined {
    const digest = sha256(welcome);
    return refs.map(toHex).find((ref) => {
      const served = this.core.book.packages.get(ref)?.served;
      return served !== undefined && !same(served, digest);
    });
  }
}
