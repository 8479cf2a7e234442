/** Removals under way, in this page's memory: signed, posted, and signed anew where a conversation ran on. */
import { type Bytes, toHex } from "../../../phone/src/wire/bytes.ts";
import { ChappeError, error } from "../../../phone/src/wire/errors.ts";
import { openRegister } from "../../../phone/src/wire/opening.ts";
import { covers, type Order } from "../../../phone/src/wire/orders.ts";
import type { OfficerSignature } from "../../../phone/src/wire/rosters.ts";
import type { Officer } from "./file.ts";
import { ask, MAX_POSTINGS, type Place } from "./fleet.ts";
import { batches, begin, type Removal, signRemovals } from "./removals.ts";

const key = (order: Uint8Array, device: Uint8Array) => `${toHex(order)} ${toHex(device)}`;

export class Removing {
  /** Devices whose list of conversations the relay has not, or that does not open, by `order device`. */
  #unsealed = $state.raw<ReadonlySet<string>>(new Set());
  #known = new Map<string, Removal>();

  forget(): void {
    this.#known.clear();
    this.#unsealed = new Set();
  }

  /** Whether members find out about this device by the order itself, or not at all. */
  isUnsealed(order: Uint8Array, device: Uint8Array): boolean {
    return this.#unsealed.has(key(order, device));
  }

  /** Sign and post the removals of all devices that an order reached. Throws order.forged, network.*. */
  async take(officer: Officer, organisation: Bytes, order: Order, places: Place[]): Promise<void> {
    for (const place of places) {
      if (!covers(order, place.line, place.device)) throw error("order.forged");
      try {
        if (place.register === null) throw error("roster.invalid");
        const found = await openRegister(officer.fleetSealing, place.device, place.register);
        await this.#post(officer, organisation, begin(order.id, place.device, found), true);
      } catch (problem) {
        if (!(problem instanceof ChappeError) || problem.code !== "roster.invalid") throw problem;
        this.#unsealed = new Set([...this.#unsealed, key(order.id, place.device)]);
      }
    }
  }

  /**
   * For the devices that are still in conversations. What this page does not remember it asks for again, with
   * the signature that the order bears already: the relay answers the same.
   */
  async catchUp(
    officer: Officer,
    organisation: Bytes,
    order: Order,
    devices: Bytes[],
    mine: OfficerSignature,
  ): Promise<void> {
    const lost = new Set<string>();
    for (const device of devices) {
      const known = this.#known.get(key(order.id, device));
      if (known) await this.#post(officer, organisation, known, false);
      else if (!this.isUnsealed(order.id, device)) lost.add(toHex(device));
    }
    if (lost.size === 0) return;
    const again = { order: order.id, signature: mine };
    const given = await ask(officer, organisation, "approve", again, "given");
    const places = given.places.filter((one) => lost.has(toHex(one.device)));
    await this.take(officer, organisation, order, places);
  }

  /** Where nothing is to be said, nothing is; the `first` time, that too. */
  async #post(
    officer: Officer,
    organisation: Bytes,
    removal: Removal,
    first: boolean,
  ): Promise<void> {
    const epochs = await this.#epochs(officer, organisation, removal);
    const signed = signRemovals(removal, epochs, officer.fleet);
    if (signed.postings.length > 0 || first) {
      const parts = batches(signed.postings);
      for (const [nth, postings] of parts.entries()) {
        const last = nth === parts.length - 1;
        const { order, device } = removal;
        await ask(officer, organisation, "post", { order, device, postings, last }, "ok");
      }
    }
    this.#known.set(key(removal.order, removal.device), signed.removal);
  }

  async #epochs(
    officer: Officer,
    organisation: Bytes,
    removal: Removal,
  ): Promise<Map<string, number>> {
    const found = new Map<string, number>();
    for (let at = 0; at < removal.places.length; at += MAX_POSTINGS) {
      const groups = removal.places.slice(at, at + MAX_POSTINGS).map((place) => place.group);
      const { epochs } = await ask(officer, organisation, "epochs", { groups }, "epoch_list");
      for (const { group, epoch } of epochs) if (epoch !== null) found.set(toHex(group), epoch);
    }
    return found;
  }
}
