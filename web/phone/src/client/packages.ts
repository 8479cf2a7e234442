/** Key packages of the devices that a conversation is to let in, fetched from the relay and checked. */

import { checkKeyPackage, MlsFault, same, viewKeyPackage } from "../mls";
import { type Bytes, toHex } from "../wire/bytes";
import type { DeviceCertificate } from "../wire/certificate";
import { ChappeError, error } from "../wire/errors";
import { type Asked, askMany } from "./asking";
import { type Answered, type Contacts, verifiedCertificate } from "./contacts";
import type { Core } from "./core";
import type { Groups } from "./groups";
import type { LogWatch } from "./logWatch";
import type { Wire } from "./wire";

/** Key packages, or why there are none. */
export type Found = Bytes[] | ChappeError;

export class Packages {
  constructor(
    private readonly core: Core,
    private readonly groups: Groups,
    private readonly contacts: Contacts,
    private readonly wire: Wire,
    private readonly log: Pick<LogWatch, "checkPackage">,
  ) {}

  /**
   * A key package for each device of these lines that is not in the conversation; by line, or why there are
   * none. Asked all at once, MANY lines at the most. Raises storage.*.
   */
  async of(conversation: string, addresses: string[]): Promise<Map<string, Found>> {
    const { places } = this.groups.row(conversation);
    const present = new Set(places.map((place) => place.device));
    const members = new Set(places.map((place) => place.address));
    // Of a line that is there already, only the devices that are not.
    const known = await this.#ask(addresses.filter((address) => members.has(address)).map(nobody));
    const found = new Map<string, Found>();
    const asked: Asked[] = [];
    for (const address of addresses) {
      const line = known.get(address);
      if (line instanceof ChappeError) found.set(address, line);
      else if (line === undefined) asked.push({ address, devices: null, packages: true });
      else {
        const devices = line.map(deviceOf).filter((device) => !present.has(device));
        if (devices.length === 0) found.set(address, []);
        else asked.push({ address, devices, packages: true });
      }
    }
    const answers = await this.#ask(asked);
    for (const { address, devices } of asked) {
      const line = answers.get(address) ?? error("network.unreachable");
      const wants = (device: string): boolean =>
        !present.has(device) && (devices === null || devices.includes(device));
      const packages =
        line instanceof ChappeError ? line : await this.#packages(address, line, wants);
      found.set(address, packages);
    }
    return found;
  }

  async #packages(
    address: string,
    line: Answered[],
    wants: (device: string) => boolean,
  ): Promise<Found> {
    const devices = line.filter((one) => wants(deviceOf(one)));
    try {
      const found: Bytes[] = [];
      let unlogged = false;
      for (const { keyPackage, certificate } of devices) {
        if (keyPackage === null) continue;
        const checked = checkedPackage(keyPackage, certificate, this.core.now());
        if (await this.#isLogged(certificate)) found.push(checked);
        else unlogged = true;
      }
      if (unlogged && found.length === 0 && address !== this.core.me.address)
        return error("log.not_there");
      // A device that has never been online is let in later, by its own line's other devices.
      const none = found.length === 0 && devices.length > 0 && address !== this.core.me.address;
      return none ? error("packages.none_left") : found;
    } catch (problem) {
      if (problem instanceof ChappeError) return problem;
      throw problem;
    }
  }

  /** Whether the transparency log has a device that is to be let in; an alarm, if not. Raises network.*. */
  async #isLogged(certificate: DeviceCertificate): Promise<boolean> {
    try {
      await this.log.checkPackage(certificate);
      return true;
    } catch (problem) {
      if (!(problem instanceof ChappeError) || problem.code !== "log.not_there") throw problem;
      return false;
    }
  }

  async #ask(asked: Asked[]): Promise<Map<string, Answered[] | ChappeError>> {
    return askMany(this.wire, this.contacts, asked);
  }
}

const nobody = (address: string): Asked => ({ address, devices: null, packages: false });

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
