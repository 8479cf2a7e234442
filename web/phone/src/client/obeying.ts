/**
 * Fleet orders that reach a running phone: verified, carried out, and answered with a receipt.
 *
 * What is carried out here is kept: bounds, receipts until the relay has them. Locking and erasing end the
 * phone, and are its owner's to do (`onOrder`). Whatever is no order for this device changes nothing and stops
 * nothing.
 */

import { toHex } from "../wire/bytes";
import { ChappeError } from "../wire/errors";
import { OUTCOMES, readOrder, type SignedReceipt, signReceipt, UNRULED } from "../wire/orders";
import type { Core, Tx } from "./core";
import { type Judged, judge, type Known, knownOf, type OrderFrame } from "./orders";

const KNOWN = "known";

export class Obeying {
  /** What came before the owner listened: while it opens, or while a first PIN is made. */
  #early: Judged[] = [];
  #onOrder: ((judged: Judged) => void) | null = null;
  /** Set by the owner: bounds for what a person may allow themselves. */
  onBounds: (judged: Judged) => Promise<void> = async () => {};
  /** Set by the owner: what the phone needs to know when it is locked. */
  onKnown: (known: Known) => Promise<void> = async () => {};
  /** Set by the owner: receipts wait to be told. */
  onReports: () => void = () => {};

  private constructor(
    private readonly core: Core,
    private at: Known,
  ) {}

  static async open(core: Core): Promise<Obeying> {
    const kept = await core.meta<Known>(KNOWN);
    const known = kept ?? knownOf(core.me.certificate, core.me.server);
    // Kept by a program that did not know all of it, bounds rule the less.
    const bounds = known.bounds && { ...UNRULED, ...known.bounds };
    return new Obeying(core, { ...known, bounds });
  }

  /** The owner: an order to lock, to erase, or to sign out. One that came before is told now, not lost. */
  set onOrder(listener: (judged: Judged) => void) {
    this.#onOrder = listener;
    for (const judged of this.#early.splice(0)) listener(judged);
  }

  #tell(judged: Judged): void {
    if (this.#onOrder === null) this.#early.push(judged);
    else this.#onOrder(judged);
  }

  get known(): Known {
    return this.at;
  }

  async keep(known: Known): Promise<void> {
    await this.core.change((tx) => this.#put(tx, known));
    await this.onKnown(known);
  }

  #put(tx: Tx, known: Known): void {
    this.core.setMeta(tx, KNOWN, known);
    tx.after(() => {
      this.at = known;
    });
  }

  // --- orders

  /** What the relay calls an order. Raises storage.* only. */
  async take(frame: OrderFrame): Promise<void> {
    try {
      await this.carryOut(judge(frame, this.at));
    } catch (problem) {
      if (!(problem instanceof ChappeError) || problem.fault === "storage") throw problem;
      if (problem.code === "order.stale" && (await this.#repeat(frame))) return;
      await this.core.change((tx) => tx.fail(problem.code, null));
    }
  }

  /** An order that was judged to be one. */
  async carryOut(judged: Judged): Promise<void> {
    const { kind, id } = judged.order;
    if (kind === "erase") {
      this.#tell(judged);
      return;
    }
    if (await this.#repeatId(toHex(id))) return;
    if (kind === "policy") await this.#bound(judged);
    await this.core.change((tx) => {
      this.#put(tx, judged.known);
      const row = { order: toHex(id), receipt: this.receipt(judged), told: false };
      this.core.book.reports.put(tx.change, row);
    });
    await this.onKnown(judged.known);
    this.onReports();
    if (kind !== "policy") this.#tell(judged);
  }

  /**
   * The bounds are known before anything is cut to them, or a person could still leave them meanwhile. The order
   * counts as carried out with its receipt only: one that was cut off comes again.
   */
  async #bound(judged: Judged): Promise<void> {
    await this.core.change((tx) => this.#put(tx, { ...judged.known, policyAt: this.at.policyAt }));
    await this.onBounds(judged);
  }

  receipt({ order }: Judged): SignedReceipt {
    const { me } = this.core;
    const outcome = OUTCOMES[order.kind] ?? "policy";
    const at = this.core.now();
    const receipt = { version: 1 as const, order: order.id, device: me.deviceId, outcome, at };
    return signReceipt(receipt, "device", me.signer.privateKey);
  }

  /** An order that was carried out came again: the relay did not get the receipt. */
  async #repeat(frame: OrderFrame): Promise<boolean> {
    try {
      return await this.#repeatId(toHex(readOrder(frame.order).id));
    } catch (problem) {
      if (!(problem instanceof ChappeError) || problem.fault === "storage") throw problem;
      return false;
    }
  }

  async #repeatId(order: string): Promise<boolean> {
    const kept = this.core.book.reports.get(order);
    if (kept === undefined) return false;
    await this.core.change((tx) => this.core.book.reports.put(tx.change, { ...kept, told: false }));
    this.onReports();
    return true;
  }

  // --- receipts

  /** Receipts that the relay has not answered. */
  toTell(): { order: string; receipt: SignedReceipt }[] {
    return this.core.book.reports.all().filter((one) => !one.told);
  }

  async told(order: string): Promise<void> {
    const kept = this.core.book.reports.get(order);
    if (kept !== undefined)
      await this.core.change((tx) =>
        this.core.book.reports.put(tx.change, { ...kept, told: true }),
      );
  }
}
