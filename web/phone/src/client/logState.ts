/**
 * What a transparency log says, entry by entry: the rules of docs/protocol.md section 14, as
 * src/chappe/client/log_state.py has them, with the same words for what breaks them.
 */

import { suite } from "../mls";
import { type Bytes, equal, fromHex, toHex } from "../wire/bytes";
import {
  ANNOUNCED_SECONDS,
  announcementBytes,
  type DeviceAdded,
  type DeviceAnnounced,
  type DeviceRevoked,
  decodeEntry,
  endorsementBytes,
  type LineCreated,
  type LogEntry,
  type OfficerMark,
  type Officers,
  signedDigest,
} from "../wire/logEntries";

/** Entry `index` is one that the log may not hold there. */
export class Broken extends Error {
  constructor(
    readonly index: number,
    readonly why: string,
  ) {
    super(`entry ${index}: ${why}`);
  }
}

/** Hashes are hex. `created`: index of its entry. */
export interface LoggedLine {
  identityKey: Bytes;
  organisation: string;
  created: number;
}

/**
 * `by`: the device that let it in; `order`: the officers' order that did; both "" for a line's first device, and
 * for one that was there before the log. `revokedAt`: 0 while it is not.
 */
export interface LoggedDevice {
  line: string;
  certificate: string;
  signatureKey: Bytes;
  at: number;
  index: number;
  by: string;
  order: string;
  revokedAt: number;
}

/** `identityKey`: the line's when the device is added. */
export interface Announced {
  line: string;
  device: string;
  certificate: string;
  signatureKey: string;
  identityKey: Bytes;
  order: string;
  at: number;
  index: number;
}

interface LoggedRoster {
  version: number;
  digest: string;
  officers: [officer: string, key: Bytes][];
  /** The officers before, who sign all entries of that version; none of the first. */
  judges: [officer: string, key: Bytes][];
  /** Of the first: who signed it, while that officer's own entry is still to come. */
  owed: [officer: string, signature: string] | null;
}

/** As it is kept in the vault. */
export interface KeptState {
  size: number;
  at: number;
  origin: string;
  lines: [string, LoggedLine][];
  devices: [string, LoggedDevice][];
  announced: Announced[];
  organisations: [string, LoggedRoster][];
  releases: [string, string][];
}

/** A signature that is to be checked once the entries are read. */
interface Check {
  index: number;
  key: Uint8Array;
  signed: Uint8Array;
  signature: Uint8Array;
}

const AT_ONCE = 512;

/** The log's first `size` entries. A state that was given out never changes; `replay` gives the next one. */
export class LogState {
  size = 0;
  at = 0;
  origin = "";
  lines = new Map<string, LoggedLine>();
  devices = new Map<string, LoggedDevice>();
  announced: Announced[] = [];
  releases = new Map<string, string>();
  #organisations = new Map<string, LoggedRoster>();
  #byCertificate = new Map<string, string>();
  #checks: Check[] = [];

  // --- reading

  /** The device with this certificate (its hash in hex), revoked or not. */
  deviceOf(certificate: string): LoggedDevice | undefined {
    const found = this.#byCertificate.get(certificate);
    return found === undefined ? undefined : this.devices.get(found);
  }

  /** Of a line (its commitment in hex): by device hash, in the order of the log. */
  devicesOf(line: string): [string, LoggedDevice][] {
    return [...this.devices].filter(([, device]) => device.line === line);
  }

  // --- replaying

  /** With these entries more. `trusted`: they were checked before. Throws Broken for the first that breaks a rule. */
  async replay(entries: Iterable<Uint8Array>, trusted = false): Promise<LogState> {
    const next = this.#copy();
    let broken: Broken | null = null;
    try {
      for (const data of entries) next.#apply(data);
    } catch (problem) {
      if (!(problem instanceof Broken)) throw problem;
      broken = problem;
    }
    const checks = next.#checks;
    next.#checks = [];
    if (!trusted) await checkAll(checks);
    if (broken !== null) throw broken;
    return next;
  }

  #apply(data: Uint8Array): void {
    const index = this.size;
    const entry = read(index, data);
    if (entry.at < this.at) throw new Broken(index, "it is older than the one before");
    this.#take(index, entry);
    this.size = index + 1;
    this.at = entry.at;
  }

  #take(index: number, entry: LogEntry): void {
    switch (entry.what) {
      case "log.opened":
        if (this.origin !== "") throw new Broken(index, "the log was opened before");
        this.origin = entry.origin;
        return;
      case "line.created":
        this.#lineCreated(index, entry);
        return;
      case "device.added":
        this.#deviceAdded(index, entry);
        return;
      case "device.announced":
        this.#deviceAnnounced(index, entry);
        return;
      case "device.revoked":
        this.#deviceRevoked(index, entry);
        return;
      case "erase.ordered":
      case "share.destroyed":
        this.#device(index, entry.device);
        return;
      case "officer.added":
      case "officer.removed":
        this.#officers(index, entry);
        return;
      case "release":
        this.releases.set(toHex(entry.digest), entry.release);
    }
  }

  #lineCreated(index: number, entry: LineCreated): void {
    const line = toHex(entry.line);
    if (this.lines.has(line)) throw new Broken(index, "the line was there before");
    this.#checkNew(index, entry);
    const organisation = toHex(entry.organisation);
    this.lines.set(line, { identityKey: entry.identity_key, organisation, created: index });
    this.#insert(index, entry, "", "");
  }

  #deviceAdded(index: number, entry: DeviceAdded): void {
    this.#line(index, entry.line);
    this.#checkNew(index, entry);
    if (entry.by !== null) {
      const other = this.#living(index, entry.by.device);
      if (other.line !== toHex(entry.line))
        throw new Broken(index, "a device of another line has let the device in");
      const signed = endorsementBytes(
        entry.line,
        entry.device,
        entry.certificate,
        entry.signature_key,
      );
      this.#owe(index, other.signatureKey, signed, entry.by.signature);
    } else if (entry.order !== null) {
      const found = this.#checkAnnounced(index, entry, toHex(entry.order));
      this.lines.set(found.line, {
        ...this.#line(index, entry.line),
        identityKey: found.identityKey,
      });
      this.announced = this.announced.filter((one) => one !== found);
    } else if (this.origin !== "") throw new Broken(index, "nobody has let the device in");
    this.#insert(index, entry, entry.by === null ? "" : toHex(entry.by.device), hexOf(entry.order));
  }

  /** Of one that was only announced: kept as a revoked one, so that nobody announces it again. */
  #deviceRevoked(index: number, entry: DeviceRevoked): void {
    const key = toHex(entry.device);
    const revokedAt = Math.max(entry.at, 1);
    const found = this.announced.find((one) => one.device === key);
    if (found === undefined || this.devices.has(key)) {
      this.devices.set(key, { ...this.#living(index, entry.device), revokedAt });
      return;
    }
    const { line, certificate, order } = found;
    if (hexOf(entry.order) !== order || this.#byCertificate.has(certificate))
      throw new Broken(index, "an announcement is withdrawn that is another one");
    this.announced = this.announced.filter((one) => one !== found);
    const signatureKey = fromHex(found.signatureKey);
    const at = { at: entry.at, index, by: "", order, revokedAt };
    this.devices.set(key, { line, certificate, signatureKey, ...at });
    this.#byCertificate.set(certificate, key);
  }

  #checkAnnounced(index: number, entry: DeviceAdded, order: string): Announced {
    const wanted = announcedOf(entry, order);
    const found = this.announced.find(
      (one) =>
        one.line === wanted.line &&
        one.device === wanted.device &&
        one.certificate === wanted.certificate &&
        one.signatureKey === wanted.signatureKey &&
        one.order === order,
    );
    if (found === undefined)
      throw new Broken(index, "officers have added a device that they did not announce");
    if (entry.at < found.at + ANNOUNCED_SECONDS)
      throw new Broken(
        index,
        "officers have added a device less than a day after they announced it",
      );
    const changes = !equal(found.identityKey, this.#line(index, entry.line).identityKey);
    if (changes && this.devicesOf(found.line).some(([, one]) => one.revokedAt === 0))
      throw new Broken(
        index,
        "a line's identity key changes while it has a device with the old one",
      );
    return found;
  }

  #deviceAnnounced(index: number, entry: DeviceAnnounced): void {
    const { organisation } = this.#line(index, entry.line);
    this.#checkNew(index, entry);
    const one = announcedOf(entry, toHex(entry.order));
    if (this.announced.some((it) => it.device === one.device || it.certificate === one.certificate))
      throw new Broken(index, "the device or its certificate was announced before");
    const roster = this.#organisations.get(organisation);
    const officers = roster === undefined || roster.owed !== null ? [] : roster.officers;
    this.#checkOfficers(index, officers, entry.officers, announcementBytes(entry), 2);
    const { at, identity_key: identityKey } = entry;
    this.announced = [...this.announced, { ...one, identityKey, at, index }];
  }

  /** An entry of a roster; those of one version are judged by the officers of the version before. */
  #officers(index: number, entry: Officers): void {
    const name = toHex(entry.organisation);
    const roster = this.#organisations.get(name);
    const first =
      roster === undefined || (roster.version === entry.roster && roster.judges.length === 0);
    const officers = roster?.officers ?? [];
    let judges = officers;
    if (roster !== undefined && entry.roster < roster.version)
      throw new Broken(index, "the roster is older than the one before");
    if (roster !== undefined && entry.roster === roster.version) {
      if (toHex(entry.digest) !== roster.digest)
        throw new Broken(index, "the organisation has two rosters with one number");
      judges = roster.judges;
    }
    const changed = changedOfficers(index, officers, entry);
    const made = { version: entry.roster, digest: toHex(entry.digest), officers: changed };
    if (first) {
      const owed = this.#checkFirst(index, entry, changed, roster?.owed ?? null);
      this.#organisations.set(name, { ...made, judges: [], owed });
      return;
    }
    if (roster.owed !== null)
      throw new Broken(index, "none of its officers has signed the first roster");
    const needed = Math.min(2, judges.length);
    this.#checkOfficers(index, judges, entry.signatures, signedDigest(entry.digest), needed);
    this.#organisations.set(name, { ...made, judges, owed: null });
  }

  /** The first roster is signed by one of its own officers, whose entry may be a later one of it. */
  #checkFirst(
    index: number,
    entry: Officers,
    officers: LoggedRoster["officers"],
    owed: LoggedRoster["owed"],
  ): LoggedRoster["owed"] {
    const [mark, ...more] = entry.signatures;
    if (entry.what === "officer.removed" || mark === undefined || more.length > 0)
      throw new Broken(index, "a first roster adds officers, and one of them signs it");
    const [officer, signature] = [toHex(mark.officer), toHex(mark.signature)];
    if (owed !== null && (owed[0] !== officer || owed[1] !== signature))
      throw new Broken(index, "the entries of one roster are signed by different officers");
    const key = officers.find(([one]) => one === officer)?.[1];
    if (key === undefined) return [officer, signature];
    this.#owe(index, key, signedDigest(entry.digest), mark.signature);
    return null;
  }

  // --- what the rules share

  #line(index: number, line: Bytes): LoggedLine {
    const found = this.lines.get(toHex(line));
    if (found === undefined) throw new Broken(index, "it is about a line that is not there");
    return found;
  }

  #device(index: number, device: Bytes): LoggedDevice {
    const found = this.devices.get(toHex(device));
    if (found === undefined) throw new Broken(index, "it is about a device that is not there");
    return found;
  }

  #living(index: number, device: Bytes): LoggedDevice {
    const found = this.#device(index, device);
    if (found.revokedAt !== 0)
      throw new Broken(index, "it is about a device that was revoked before");
    return found;
  }

  #checkNew(index: number, entry: LineCreated | DeviceAdded | DeviceAnnounced): void {
    if (this.devices.has(toHex(entry.device)) || this.#byCertificate.has(toHex(entry.certificate)))
      throw new Broken(index, "the device or its certificate was there before");
  }

  #insert(index: number, entry: LineCreated | DeviceAdded, by: string, order: string): void {
    const device = toHex(entry.device);
    const certificate = toHex(entry.certificate);
    this.devices.set(device, {
      line: toHex(entry.line),
      certificate,
      signatureKey: entry.signature_key,
      at: entry.at,
      index,
      by,
      order,
      revokedAt: 0,
    });
    this.#byCertificate.set(certificate, device);
  }

  #checkOfficers(
    index: number,
    officers: LoggedRoster["officers"],
    marks: readonly OfficerMark[],
    signed: Bytes,
    needed: number,
  ): void {
    const names = marks.map((mark) => toHex(mark.officer));
    if (new Set(names).size !== marks.length || marks.length < needed)
      throw new Broken(index, "too few officers have signed it");
    marks.forEach((mark, at) => {
      const key = officers.find(([one]) => one === names[at])?.[1];
      if (key === undefined) throw new Broken(index, "somebody who is no officer has signed it");
      this.#owe(index, key, signed, mark.signature);
    });
  }

  #owe(index: number, key: Uint8Array, signed: Uint8Array, signature: Uint8Array): void {
    this.#checks.push({ index, key, signed, signature });
  }

  // --- keeping

  #copy(): LogState {
    const next = new LogState();
    next.size = this.size;
    next.at = this.at;
    next.origin = this.origin;
    next.lines = new Map(this.lines);
    next.devices = new Map(this.devices);
    next.announced = this.announced;
    next.releases = new Map(this.releases);
    next.#organisations = new Map(this.#organisations);
    next.#byCertificate = new Map(this.#byCertificate);
    return next;
  }

  toKept(): KeptState {
    return {
      size: this.size,
      at: this.at,
      origin: this.origin,
      lines: [...this.lines],
      devices: [...this.devices],
      announced: this.announced,
      organisations: [...this.#organisations],
      releases: [...this.releases],
    };
  }

  static fromKept(kept: KeptState): LogState {
    const state = new LogState();
    state.size = kept.size;
    state.at = kept.at;
    state.origin = kept.origin;
    state.lines = new Map(kept.lines);
    state.devices = new Map(kept.devices);
    state.announced = kept.announced;
    state.releases = new Map(kept.releases);
    state.#organisations = new Map(kept.organisations);
    state.#byCertificate = new Map(kept.devices.map(([key, one]) => [one.certificate, key]));
    return state;
  }
}

/** Throws Broken for the first entry whose signature does not hold. */
async function checkAll(checks: readonly Check[]): Promise<void> {
  const { signature } = await suite();
  const holds = async (one: Check): Promise<boolean> => {
    try {
      return await signature.verify(one.key, one.signed, one.signature);
    } catch {
      // The platform throws for bytes that are no key.
      return false;
    }
  };
  for (let start = 0; start < checks.length; start += AT_ONCE) {
    const some = checks.slice(start, start + AT_ONCE);
    const found = await Promise.all(some.map(holds));
    const bad = some[found.indexOf(false)];
    if (bad !== undefined) throw new Broken(bad.index, "a signature in it does not hold");
  }
}

function read(index: number, data: Uint8Array): LogEntry {
  try {
    return decodeEntry(data);
  } catch {
    throw new Broken(index, "it cannot be read");
  }
}

function changedOfficers(
  index: number,
  officers: LoggedRoster["officers"],
  entry: Officers,
): LoggedRoster["officers"] {
  const officer = toHex(entry.officer);
  const found = officers.find(([one]) => one === officer);
  if (entry.what === "officer.added") {
    if (found !== undefined) throw new Broken(index, "the officer is one already");
    return [...officers, [officer, entry.key]];
  }
  if (found === undefined || toHex(found[1]) !== toHex(entry.key))
    throw new Broken(index, "who is removed was no officer, or had another key");
  return officers.filter(([one]) => one !== officer);
}

const announcedOf = (entry: DeviceAdded | DeviceAnnounced, order: string) => ({
  line: toHex(entry.line),
  device: toHex(entry.device),
  certificate: toHex(entry.certificate),
  signatureKey: toHex(entry.signature_key),
  order,
});

const hexOf = (value: Bytes | null): string => (value === null ? "" : toHex(value));
