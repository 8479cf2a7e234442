/** The devices of this line: which there are, and one more. */

import { type Bytes, fromHex, toHex } from "../wire/bytes";
import { deviceHash } from "../wire/endorsing";
import { error } from "../wire/errors";
import { parse } from "../wire/links";
import type { DeviceInfo } from "./face";
import { give, type Handover, type Offer } from "./linking";
import type { Opened } from "./opened";
import { sleep } from "./transport";

const NEW_DEVICE_SECONDS = 60;

export class Devices {
  constructor(private readonly opened: Opened) {}

  /** This line's. Raises network.*. */
  async all(): Promise<DeviceInfo[]> {
    const { core, engine } = this.opened;
    const { address, line, device } = core.me;
    await engine.waitOnline(NEW_DEVICE_SECONDS);
    const found = await engine.connection.ask(
      (ref) => ({ t: "lookup", ref, address, key_packages: false, devices: null }),
      "line",
    );
    const answered = await engine.contacts.takeAnswer(address, found);
    return answered.map(({ certificate: { deviceId, issuedAt } }) => {
      const id = toHex(deviceId);
      return { device: id, line, address, issuedAt, self: id === device };
    });
  }

  /** Let a new device into this line and into all conversations. */
  async giveLink(text: string): Promise<void> {
    const link = parse(text);
    if (link.kind !== "device")
      throw error("link.malformed", "That link makes a new line; take the one a new device shows.");
    const { engine, api } = this.opened;
    const before = new Set((await this.all()).map((one) => one.device));
    const salt = await this.#salt();
    await give(api, link, async (offer) => {
      await engine.log.own.endorsed(offer.deviceId);
      return this.#handover(offer, salt);
    });
    await this.#awaitNewDevice(before);
    await engine.reconcile();
    await engine.settled(NEW_DEVICE_SECONDS);
  }

  /** Under which the line stands in the transparency log. */
  async #salt(): Promise<Bytes> {
    const { core, engine } = this.opened;
    const { address } = core.me;
    const found = await engine.connection.ask(
      (ref) => ({ t: "lookup", ref, address, key_packages: false, devices: null }),
      "line",
    );
    return found.salt;
  }

  #handover(offer: Offer, salt: Bytes): Handover {
    const { core, engine } = this.opened;
    const { me } = core;
    const contacts = engine.contacts
      .all()
      .filter((row) => !row.unconfirmed)
      .map(({ address, line, identityKey, verified }) => {
        return { address, line: fromHex(line), identityKey, verified };
      });
    const certificate = me.certify(
      offer.deviceId,
      offer.signatureKey,
      Math.floor(Date.now() / 1000),
    );
    return {
      identity: me.identity,
      line: me.certificate.lineId,
      address: me.address,
      contacts,
      organisation: "",
      certificate,
      by: deviceHash(me.deviceId),
      endorsement: me.endorse(certificate, salt),
    };
  }

  /** Until a device that was not there is, with key packages. */
  async #awaitNewDevice(before: ReadonlySet<string>): Promise<void> {
    const { core, engine } = this.opened;
    const { address } = core.me;
    const deadline = Date.now() + NEW_DEVICE_SECONDS * 1000;
    while (Date.now() < deadline) {
      const found = (await this.all()).map((one) => one.device);
      const fresh = found.filter((device) => !before.has(device)).map(fromHex);
      if (fresh.length > 0) {
        const line = await engine.connection.ask(
          (ref) => ({ t: "lookup", ref, address, key_packages: true, devices: fresh }),
          "line",
        );
        const named = new Set(fresh.map(toHex));
        const ready = line.devices.filter((one) => named.has(toHex(one.device)));
        if (ready.every((one) => one.key_package !== null)) return;
      }
      await sleep(500);
    }
    throw error("network.timeout", "The new device is not online; it is let in when it is.");
  }
}
