/**
 * Who may order: an organisation's fleet key, and the roster of its officers (docs/protocol.md section 12.1).
 *
 * A roster is signed by the fleet key and by officers of the roster before, so that whoever holds the fleet key
 * alone, a former officer among them, neither orders nor makes officers.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, equal, toHex, utf8 } from "./bytes";
import { sign } from "./certificate";
import { type Code, error } from "./errors";
import { bytes, int, list, type Of, struct, text } from "./shape";
import { bodyBytes, check, packed, unpacked } from "./signing";
import { PUBLIC_KEY_BYTES } from "./unlock";

export const MAX_OFFICERS = 32;
/** Of an organisation, ever: a phone takes the chain in one frame. */
export const MAX_ROSTERS = 256;
export const MAX_ROSTER = 16 * 1024;
export const ROSTER_CONTEXT = "chappe roster v1";

const id16 = bytes(16);
const key32 = bytes(32);
const name = text(1, 64);

const officer = struct({ id: id16, name, key: key32 });
const rosterShape = struct({
  organisation: id16,
  name,
  fleet_key: key32,
  seal_key: bytes(PUBLIC_KEY_BYTES),
  version: int(1, MAX_ROSTERS),
  previous: key32,
  officers: list(officer, 1, MAX_OFFICERS),
  issued_at: int(0, 2 ** 53),
});
export const officerSignature = struct({ officer: id16, signature: bytes(64) });
export const signedRoster = struct({
  body: bytes(1, MAX_ROSTER),
  fleet_signature: bytes(64),
  officers: list(officerSignature, 1, MAX_OFFICERS),
});

/** A person who administers lines. `key`: Ed25519. */
export type Officer = Of<typeof officer>;
/** One version, from 1. `seal_key`: the X-Wing key that phones seal their registers to. */
export type Roster = Of<typeof rosterShape>;
export type OfficerSignature = Of<typeof officerSignature>;
export type SignedRoster = Of<typeof signedRoster>;

/** A verified line of rosters, to its newest; `hashes` of each version, oldest first. */
export interface Chain {
  roster: Roster;
  hashes: Bytes[];
}

/** What the next version names as `previous`. */
export function rosterHash(signed: SignedRoster): Bytes {
  return new Uint8Array(sha256(concat(utf8(ROSTER_CONTEXT), signed.body)));
}

/**
 * The chain from its first version, every step checked. Throws roster.invalid.
 *
 * The first is signed by one of its own officers; each later one by two officers of the version before, or by
 * all where there was but one. Whoever remembers a hash of an earlier chain looks for it in `hashes`.
 */
export function checkChain(rosters: SignedRoster[], fleetKey: Uint8Array): Chain {
  if (rosters.length > MAX_ROSTERS) throw error("roster.invalid");
  let before: Roster | null = null;
  const hashes: Bytes[] = [];
  for (const signed of rosters) {
    before = next(before, hashes.at(-1) ?? new Uint8Array(32), signed, fleetKey);
    hashes.push(rosterHash(signed));
  }
  if (before === null) throw error("roster.invalid");
  return { roster: before, hashes };
}

/** Its contents; nothing is verified. Throws roster.invalid. */
export function readRoster(signed: SignedRoster): Roster {
  return unpacked(rosterShape, signed.body, "roster.invalid");
}

/** By the fleet key and one officer's own, 32 private bytes each. Another may add a signature (`rosterSignature`). */
export function signRoster(
  roster: Roster,
  fleet: Uint8Array,
  by: Bytes,
  secret: Uint8Array,
): SignedRoster {
  const body = packed(rosterShape, roster);
  const fleet_signature = sign(fleet, bodyBytes(ROSTER_CONTEXT, body));
  return { body, fleet_signature, officers: [rosterSignature(body, by, secret)] };
}

/** An officer's signature over a roster's body. */
export function rosterSignature(body: Bytes, officer: Bytes, secret: Uint8Array): OfficerSignature {
  return { officer, signature: sign(secret, bodyBytes(ROSTER_CONTEXT, body)) };
}

/** How many officers of `roster` must sign what takes two. */
export function neededSignatures(roster: Roster): number {
  return Math.min(2, roster.officers.length);
}

/**
 * The ids of those who signed, each once. Throws `code` for one that does not hold or is not on the roster; with
 * `gone`, those who are not on it count for nothing.
 */
export function checkOfficers(
  roster: Roster,
  signatures: OfficerSignature[],
  signed: Uint8Array,
  code: Code,
  gone = false,
): Bytes[] {
  if (!distinct(signatures.map((one) => one.officer))) throw error(code);
  const found: Bytes[] = [];
  for (const one of signatures) {
    const by = roster.officers.find(({ id }) => equal(id, one.officer));
    if (by === undefined && gone) continue;
    if (by === undefined) throw error(code);
    check(by.key, one.signature, signed, code);
    found.push(one.officer);
  }
  return found;
}

function next(
  before: Roster | null,
  previous: Uint8Array,
  signed: SignedRoster,
  fleetKey: Uint8Array,
): Roster {
  const roster = unpacked(rosterShape, signed.body, "roster.invalid");
  if (!follows(before, previous, roster, fleetKey)) throw error("roster.invalid");
  const signedBytes = bodyBytes(ROSTER_CONTEXT, signed.body);
  check(fleetKey, signed.fleet_signature, signedBytes, "roster.invalid");
  const judges = before ?? roster;
  const found = checkOfficers(judges, signed.officers, signedBytes, "roster.invalid");
  if (found.length < (before === null ? 1 : neededSignatures(judges))) {
    throw error("roster.invalid", "The roster needs the signatures of two officers.");
  }
  return roster;
}

function follows(
  before: Roster | null,
  previous: Uint8Array,
  roster: Roster,
  fleetKey: Uint8Array,
): boolean {
  const same =
    before === null ||
    (equal(roster.organisation, before.organisation) && equal(roster.seal_key, before.seal_key));
  return (
    same &&
    equal(roster.fleet_key, fleetKey) &&
    roster.version === (before?.version ?? 0) + 1 &&
    equal(roster.previous, previous) &&
    // Every officer holds the fleet key: as an officer's own it would be everybody's.
    !roster.officers.some(({ key }) => equal(key, fleetKey)) &&
    distinct(roster.officers.map(({ id }) => id)) &&
    distinct(roster.officers.map(({ key }) => key))
  );
}

function distinct(values: Uint8Array[]): boolean {
  return new Set(values.map(toHex)).size === values.length;
}
