/**
 * Devices in conversations that the transparency log does not show: nothing is sent there until it does, or a
 * person decides. As src/chappe/client/log_doubts.py.
 */

import { type Bytes, equal, toHex } from "../wire/bytes";
import { type DeviceCertificate, fromBytes, toBytes } from "../wire/certificate";
import { error } from "../wire/errors";
import { certificateHash, deviceHash, lineCommitment } from "../wire/logEntries";
import type { Core, Tx } from "./core";
import type { Groups } from "./groups";
import type { Alarms } from "./logAlarms";
import type { Ledger } from "./logLedger";
import type { LogDoubtRow } from "./logRows";
import type { LogState } from "./logState";

const NOTHING = new Uint8Array(0);

export class Doubts {
  /** Set by the owner: a line in the conversation that says so. */
  onNotice: (tx: Tx, conversation: string, what: string, address: string) => Promise<void> =
    async () => {};

  constructor(
    private readonly core: Core,
    private readonly groups: Groups,
    private readonly alarms: Alarms,
  ) {}

  // --- salts

  /** As the relay names it with a line. The first one stays: another would not fit what was logged. */
  learnSalt(tx: Tx, address: string, line: string, salt: Bytes): void {
    const key = `${address} ${line}`;
    const { logSalts } = this.core.book;
    if (!logSalts.has(key)) logSalts.put(tx.change, { key, salt });
  }

  saltOf(address: string, line: string): Bytes | undefined {
    return this.core.book.logSalts.get(`${address} ${line}`)?.salt;
  }

  // --- judging

  /** What the log lacks of a device, in English; null where it is as it should be. */
  why(state: LogState, certificate: DeviceCertificate, revokedToo: boolean): string | null {
    const device = state.deviceOf(toHex(certificateHash(toBytes(certificate))));
    if (device === undefined) return "the log does not have this device";
    if (revokedToo && device.revokedAt !== 0) return "the log says that this device was revoked";
    if (state.devices.get(toHex(deviceHash(certificate.deviceId))) !== device)
      return "the log has this device under another id";
    const line = state.lines.get(device.line);
    const same =
      equal(device.signatureKey, certificate.signatureKey) &&
      line !== undefined &&
      equal(line.identityKey, certificate.identityKey);
    if (!same) return "the log has other keys for this device or its line";
    const salt = this.saltOf(certificate.address, toHex(certificate.lineId));
    const named = salt && toHex(lineCommitment(salt, certificate.lineId, certificate.address));
    return named === undefined || named === device.line
      ? null
      : "the log has this device on another line";
  }

  add(tx: Tx, conversation: string, certificate: DeviceCertificate): void {
    const device = toHex(certificate.deviceId);
    this.#put(tx, {
      key: `${conversation} ${device}`,
      conversation,
      device,
      certificate: toBytes(certificate),
      address: certificate.address,
      at: this.core.now(),
      state: "checking",
    });
  }

  /** Those whose device is still a member: one that was put out holds nothing back. */
  #of(conversation?: string): LogDoubtRow[] {
    if (this.core.book.logDoubts.size === 0) return [];
    return this.core.book.logDoubts
      .all()
      .filter((one) => conversation === undefined || one.conversation === conversation)
      .filter(
        (one) =>
          this.groups.has(one.conversation) &&
          this.groups.row(one.conversation).places.some(({ device }) => device === one.device),
      );
  }

  /** Whether something is to be looked up without a person. */
  get waiting(): boolean {
    return this.#of().some((one) => one.state === "checking");
  }

  /** Nothing is sent there for now. */
  holdsBack(conversation: string): boolean {
    return this.#of(conversation).some((one) => one.state !== "accepted");
  }

  /** What the log shows by now is no doubt any more. */
  async lookAgain(tx: Tx, state: LogState): Promise<void> {
    for (const one of this.core.book.logDoubts.all()) {
      if (one.state === "accepted") continue;
      if (this.why(state, fromBytes(one.certificate), true) !== null) continue;
      this.core.book.logDoubts.delete(tx.change, one.key);
      if (this.groups.has(one.conversation)) tx.conversations.add(one.conversation);
      this.alarms.settle(tx, "log.not_there", one.key);
      if (one.state === "alarmed")
        await this.onNotice(tx, one.conversation, "log_found", one.address);
      tx.log = true;
    }
  }

  /** After a look at the log: what it did not show for `grace` seconds is an alarm. */
  async judge(tx: Tx, ledger: Ledger, grace: number): Promise<void> {
    await this.lookAgain(tx, ledger.state);
    for (const one of this.core.book.logDoubts.all()) {
      const age = this.core.now() - one.at;
      if (one.state !== "checking" || (age >= 0 && age < grace)) continue;
      const certificate = fromBytes(one.certificate);
      this.#put(tx, { ...one, state: "alarmed" });
      const why = this.why(ledger.state, certificate, true) ?? "";
      await this.alarm(tx, one.conversation, certificate, why, ledger);
      await this.onNotice(tx, one.conversation, "log_missing", one.address);
    }
  }

  async alarm(
    tx: Tx,
    conversation: string | null,
    certificate: DeviceCertificate,
    why: string,
    ledger: Ledger,
  ): Promise<void> {
    const device = toHex(certificate.deviceId);
    await this.alarms.raise(tx, {
      code: "log.not_there",
      about: `${conversation ?? ""} ${device}`,
      said: `${why}: certificate ${toHex(certificateHash(toBytes(certificate)))}`,
      ours: new Uint8Array(ledger.held?.note ?? NOTHING),
      conversation,
      address: certificate.address,
      device,
    });
  }

  /** A device that was refused before is in the log now. */
  allowed(tx: Tx, certificate: DeviceCertificate): void {
    this.alarms.settle(tx, "log.not_there", ` ${toHex(certificate.deviceId)}`);
  }

  // --- by a person

  /** Addresses whose devices a person has to decide on. */
  inDoubt(conversation: string): string[] {
    const found = this.#of(conversation).filter((one) => one.state === "alarmed");
    return [...new Set(found.map((one) => one.address))].sort();
  }

  /** Raises log.not_there. */
  checkSending(conversation: string): void {
    if (this.inDoubt(conversation).length > 0) throw error("log.not_there");
  }

  /** A person trusts the devices there, whatever the log says. */
  accept(tx: Tx, conversation: string): void {
    for (const one of this.core.book.logDoubts.all()) {
      if (one.conversation !== conversation || one.state !== "alarmed") continue;
      this.#put(tx, { ...one, state: "accepted" });
      this.alarms.settle(tx, "log.not_there", one.key);
    }
  }

  #put(tx: Tx, row: LogDoubtRow): void {
    this.core.book.logDoubts.put(tx.change, row);
    tx.conversations.add(row.conversation);
    tx.log = true;
  }
}
