/** The lines that this one knows, and the check that every leaf of every group has to pass. */

import { type Authenticate, concat, same } from "../mls";
import { type Bytes, fromHex, toHex, utf8 } from "../wire/bytes";
import {
  type DeviceCertificate,
  fromBytes,
  safetyNumber,
  serverOf,
  verify,
} from "../wire/certificate";
import { ChappeError, error } from "../wire/errors";
import type { Typed } from "../wire/frames";
import type { Core, Tx } from "./core";
import type { SafetyNumber } from "./face";
import type { ContactRow } from "./rows";

const REMEMBERED = 8192;
const verified = new Map<string, DeviceCertificate>();
/** Before the fleet key in the credential of a sender from outside (docs/protocol.md section 12.4). */
const FLEET = utf8("chappe fleet v1");

/** The certificate in `data`, its signature checked. Raises certificate.invalid. */
export function verifiedCertificate(data: Uint8Array): DeviceCertificate {
  const known = toHex(data);
  const found = verified.get(known);
  if (found !== undefined) return found;
  const certificate = fromBytes(data);
  verify(certificate);
  if (verified.size >= REMEMBERED) verified.clear();
  verified.set(known, certificate);
  return certificate;
}

/** The credential of a fleet key that may propose from outside. */
export const fleetIdentity = (fleetKey: Uint8Array): Uint8Array => concat(FLEET, fleetKey);

/** What names the identity that a person is to judge: hex of line id and identity key, the new ones if they changed. */
export function judgedIdentity(row: ContactRow): string {
  const { line, identityKey } = row.changed ?? row;
  return line + toHex(identityKey);
}

/** One `authenticate` of the engine; `seen` is to be learnt once the whole message holds. */
export interface Check {
  authenticate: Authenticate;
  seen: DeviceCertificate[];
}

/** `line`: as the relay named it. */
export interface Answered {
  certificate: DeviceCertificate;
  keyPackage: Bytes | null;
}

/**
 * Trust on first use: a line's identity key is kept as first seen, and a change of it is never silent. A key
 * that was seen in a group only is the word of whoever let that leaf in: it is unconfirmed, and nothing is
 * sent to it, until the relay has said who the line is.
 */
export class Contacts {
  /** Set by the owner: leaves of this address with another key than this are not the line's. */
  onImpostor: (tx: Tx, address: string, identityKey: Bytes | null) => Promise<void> =
    async () => {};
  /** Set by the owner: a known line has another identity now. */
  onChanged: (tx: Tx, address: string) => Promise<void> = async () => {};

  /** Set by the owner: the relay names what hides a line in the transparency log. */
  onSalt: (tx: Tx, address: string, line: string, salt: Bytes) => Promise<void> = async () => {};

  constructor(private readonly core: Core) {}

  // --- checking

  /** `allowed`: the only addresses that may be let in; null for any of this relay. */
  check(allowed: ReadonlySet<string> | null): Check {
    const seen: DeviceCertificate[] = [];
    const authenticate: Authenticate = (identity, signatureKey, external) => {
      if (external) {
        if (!same(identity, fleetIdentity(signatureKey))) throw error("certificate.invalid");
        return;
      }
      const certificate = verifiedCertificate(identity);
      if (!same(certificate.signatureKey, signatureKey)) throw error("certificate.invalid");
      this.checkHome(certificate);
      if (allowed !== null && !allowed.has(certificate.address)) throw error("certificate.invalid");
      seen.push(certificate);
    };
    return { authenticate, seen };
  }

  /** Of this relay; and of this line only with this line's key. Raises certificate.invalid. */
  checkHome(certificate: DeviceCertificate): void {
    const { me } = this.core;
    if (serverOf(certificate.address) !== me.server) throw error("certificate.invalid");
    const mine =
      same(certificate.identityKey, me.certificate.identityKey) &&
      same(certificate.lineId, me.certificate.lineId);
    if ((certificate.address === me.address) !== mine) throw error("certificate.invalid");
  }

  /** Whether a member's key is one that its line is known by, or waits to be accepted. */
  speaksForItsLine(certificate: DeviceCertificate): boolean {
    if (certificate.address === this.core.me.address) return true;
    const row = this.find(certificate.address);
    if (row === undefined) return false;
    const keys = [row.identityKey, row.changed?.identityKey];
    return keys.some((key) => key !== undefined && same(key, certificate.identityKey));
  }

  // --- learning

  /** Know these lines; one whose key is not the one known is marked. */
  async learn(tx: Tx, certificates: Iterable<DeviceCertificate>): Promise<void> {
    for (const { address, lineId, identityKey } of certificates)
      await this.#learn(tx, address, toHex(lineId), identityKey, true);
  }

  /** True unless the line is known with another identity. */
  async #learn(
    tx: Tx,
    address: string,
    line: string,
    identityKey: Bytes,
    unconfirmed: boolean,
  ): Promise<boolean> {
    if (address === this.core.me.address) return true;
    const row = this.find(address);
    if (row === undefined) {
      this.#put(tx, { address, line, identityKey, verified: false, changed: null, unconfirmed });
      return true;
    }
    if (row.line === line && same(row.identityKey, identityKey)) return true;
    const { changed } = row;
    if (changed?.line !== line || !same(changed.identityKey, identityKey)) {
      this.#put(tx, { ...row, changed: { line, identityKey } });
      await this.onChanged(tx, address);
    }
    return false;
  }

  /**
   * The devices in a relay's answer, checked, with their key packages. Raises certificate.invalid where the
   * answer contradicts itself, identity.changed where it contradicts what is known; that is kept first.
   */
  async takeAnswer(address: string, line: Typed<"line">): Promise<Answered[]> {
    const found = (await this.takeAnswers(new Map([[address, line]]))).get(address);
    if (!Array.isArray(found)) throw found ?? error("certificate.invalid");
    return found;
  }

  /** As `takeAnswer`, of many lines in one change: by address, the devices or what is wrong with them. */
  async takeAnswers(
    lines: ReadonlyMap<string, Typed<"line">>,
  ): Promise<Map<string, Answered[] | ChappeError>> {
    const taken = new Map<string, Answered[] | ChappeError>();
    for (const [address, line] of lines) {
      try {
        taken.set(address, this.#checkAnswer(address, line));
      } catch (problem) {
        if (!(problem instanceof ChappeError)) throw problem;
        taken.set(address, problem);
      }
    }
    const good = [...lines].filter(([address]) => Array.isArray(taken.get(address)));
    if (good.length === 0) return taken;
    await this.core.change(async (tx) => {
      for (const [address, { line, identity_key, salt }] of good) {
        await this.onSalt(tx, address, toHex(line), salt);
        await this.#confirm(tx, address, identity_key);
        if (!(await this.#learn(tx, address, toHex(line), identity_key, false)))
          taken.set(address, error("identity.changed"));
      }
    });
    return taken;
  }

  #checkAnswer(address: string, line: Typed<"line">): Answered[] {
    if (line.address !== address) throw error("certificate.invalid");
    return line.devices.map((entry) => {
      const certificate = verifiedCertificate(entry.certificate);
      this.checkHome(certificate);
      const agrees =
        same(certificate.lineId, line.line) &&
        certificate.address === line.address &&
        same(certificate.identityKey, line.identity_key) &&
        same(certificate.deviceId, entry.device);
      if (!agrees) throw error("certificate.invalid");
      return { certificate, keyPackage: entry.key_package };
    });
  }

  /** The relay's word takes the place of a group's; where they differ, the group holds an impostor. */
  async #confirm(tx: Tx, address: string, identityKey: Bytes): Promise<void> {
    const row = this.find(address);
    if (row === undefined || !row.unconfirmed) return;
    if (same(row.identityKey, identityKey)) {
      this.#put(tx, { ...row, unconfirmed: false });
      return;
    }
    this.core.book.contacts.delete(tx.change, address);
    await this.onImpostor(tx, address, identityKey);
  }

  /** The relay knows no such line: whoever a group calls so is an impostor. */
  async deny(address: string): Promise<void> {
    await this.core.change(async (tx) => {
      this.core.book.contacts.delete(tx.change, address);
      await this.onImpostor(tx, address, null);
    });
  }

  /** A contact handed over by another device of this line. */
  add(tx: Tx, contact: Omit<ContactRow, "changed" | "unconfirmed">): void {
    if (this.find(contact.address) === undefined)
      this.#put(tx, { ...contact, changed: null, unconfirmed: false });
  }

  // --- looking

  all(): ContactRow[] {
    return this.core.book.contacts.all().sort((a, b) => (a.address < b.address ? -1 : 1));
  }

  find(address: string): ContactRow | undefined {
    return this.core.book.contacts.get(address);
  }

  /** Raises address.unknown. */
  known(address: string): ContactRow {
    const row = this.find(address);
    if (row === undefined) throw error("address.unknown");
    return row;
  }

  /** Lines that only a group has named so far. */
  unconfirmed(): string[] {
    return this.all().flatMap((row) => (row.unconfirmed ? [row.address] : []));
  }

  /** Whether nothing may be sent to it: not confirmed by the relay, or not accepted by a person. */
  isBarred(address: string): boolean {
    const row = this.find(address);
    return row !== undefined && (row.unconfirmed || row.changed !== null);
  }

  /** Raises identity.changed if one of these waits to be accepted. */
  checkUnchanged(addresses: Iterable<string>): void {
    for (const address of addresses) {
      const changed = this.find(address)?.changed ?? null;
      if (changed !== null) throw error("identity.changed");
    }
  }

  /** Of the identity that a person is to judge: the new one where it changed. Takes a moment. */
  safetyNumber(address: string): SafetyNumber {
    const { certificate } = this.core.me;
    const row = this.known(address);
    const { line, identityKey } = row.changed ?? row;
    const mine = [certificate.identityKey, certificate.lineId] as const;
    return {
      number: safetyNumber(...mine, identityKey, fromHex(line)),
      identity: judgedIdentity(row),
    };
  }

  // --- by a person

  /**
   * `identity`: the one that was compared; a new one is accepted by that. "": not verified any more. Raises
   * address.unknown; identity.changed where it is another one meanwhile.
   */
  async markVerified(address: string, identity: string): Promise<void> {
    await this.core.change((tx) => {
      const row = identity === "" ? this.known(address) : this.#seen(address, identity);
      this.#put(tx, { ...row, verified: identity !== "" });
    });
  }

  /**
   * `identity`, the one that a person saw, becomes the known one, not verified yet. Raises address.unknown;
   * identity.changed where it is another one meanwhile: nobody has seen that.
   */
  async acceptIdentity(address: string, identity: string): Promise<void> {
    await this.core.change((tx) => {
      const waits = this.known(address).changed !== null;
      const row = this.#seen(address, identity);
      if (waits) this.#put(tx, { ...row, verified: false });
    });
  }

  /** The line with the identity that a person saw as its own. */
  #seen(address: string, identity: string): ContactRow {
    const row = this.known(address);
    if (judgedIdentity(row) !== identity)
      throw error("identity.changed", "The identity changed again meanwhile; look at it anew.");
    return { ...row, ...row.changed, changed: null };
  }

  #put(tx: Tx, row: ContactRow): void {
    this.core.book.contacts.put(tx.change, row);
    tx.contacts.add(row.address);
  }
}
