/** Key packages of the devices that a conversation is to let in, fetched from the relay and checked. */

import { checkKeyPackage, MlsFault, same, viewKeyPackage } from "../mls";
import { type Bytes, fromHex, toHex } from "../wire/bytes";
import type { DeviceCertificate } from "../wire/certificate";
import { error } from "../wire/errors";
import type { Typed } from "../wire/frames";
import { type Contacts, verifiedCertificate } from "./contacts";
import type { Core } from "./core";
import type { Groups } from "./groups";
import type { Wire } from "./wire";

export class Packages {
  constructor(
    private readonly core: Core,
    private readonly groups: Groups,
    private readonly contacts: Contacts,
    private readonly wire: Wire,
  ) {}

  /** A key package for each device of a line that is not in the conversation. */
  async of(conversation: string, address: string): Promise<Bytes[]> {
    const { places } = this.groups.row(conversation);
    const present = new Set(places.map((place) => place.device));
    let wanted: string[] | null = null;
    if (places.some((place) => place.address === address)) {
      const line = await this.#lookup(address, null);
      const devices = (await this.contacts.takeAnswer(address, line)).map(deviceOf);
      wanted = devices.filter((device) => !present.has(device));
      if (wanted.length === 0) return [];
    }
    const line = await this.#lookup(address, wanted ?? []);
    const found: Bytes[] = [];
    let missing = false;
    for (const one of await this.contacts.takeAnswer(address, line)) {
      const device = deviceOf(one);
      if (present.has(device) || (wanted !== null && !wanted.includes(device))) continue;
      if (one.keyPackage === null) missing = true;
      else found.push(checkedPackage(one.keyPackage, one.certificate, this.core.now()));
    }
    // A device that has never been online is let in later, by its own line's other devices.
    if (missing && found.length === 0 && address !== this.core.me.address)
      throw error("packages.none_left");
    return found;
  }

  /** `packages`: of these devices, of all where there are none named; null for no packages. */
  #lookup(address: string, packages: string[] | null): Promise<Typed<"line">> {
    const devices = packages === null || packages.length === 0 ? null : packages.map(fromHex);
    return this.wire.ask(
      (ref) => ({ t: "lookup", ref, address, key_packages: packages !== null, devices }),
      "line",
    );
  }
}

const deviceOf = ({ certificate }: { certificate: DeviceCertificate }): string =>
  toHex(certificate.deviceId);

/** A key package is of the device that it came for. Raises certificate.invalid. */
function checkedPackage(message: Bytes, certificate: DeviceCertificate, now: number): Bytes {
  try {
    checkKeyPackage(message, now);
    const { identity, signatureKey } = viewKeyPackage(message);
    const found = verifiedCertificate(identity);
    if (same(found.signature, certificate.signature) && same(signatureKey, found.signatureKey))
      return message;
  } catch (problem) {
    if (!(problem instanceof MlsFault)) throw problem;
  }
  throw error("certificate.invalid");
}
