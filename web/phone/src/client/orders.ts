/**
 * Whether a fleet order is one that this device obeys (docs/protocol.md section 12.2). No socket, no store.
 *
 * A forged, foreign, replayed or unfinished order changes nothing: the relay's word is not an order.
 */

import { type Bytes, equal } from "../wire/bytes";
import type { DeviceCertificate } from "../wire/certificate";
import { error } from "../wire/errors";
import type { Typed } from "../wire/frames";
import {
  checkOfficersOrder,
  checkOwnersOrder,
  covers,
  type FleetPolicy,
  isComplete,
  type Order,
  reasonDigest,
  type Verified,
} from "../wire/orders";
import { type Chain, checkChain, type SignedRoster } from "../wire/rosters";

/**
 * By whose word this device is erased or locked, and what was done so far. `fleetKey` is empty where the line
 * is of no organisation; `lockedAt`, `policyAt`: when the last order of that kind that was carried out was issued.
 */
export interface Known {
  line: Bytes;
  device: Bytes;
  server: string;
  fleetKey: Bytes;
  identityKey: Bytes;
  rosterVersion: number;
  rosterHash: Bytes;
  lockedAt: number;
  policyAt: number;
  bounds: FleetPolicy | null;
}

/** An order to be carried out. `known`: with the newest roster, and the time of a lock or a policy. */
export interface Judged {
  order: Order;
  reason: string;
  known: Known;
}

/** What a relay hands out as an order. */
export type OrderFrame = Omit<Typed<"order">, "t">;

export const knownOf = (certificate: DeviceCertificate, server: string): Known => ({
  line: certificate.lineId,
  device: certificate.deviceId,
  server,
  fleetKey: certificate.fleetKey,
  identityKey: certificate.identityKey,
  rosterVersion: 0,
  rosterHash: new Uint8Array(),
  lockedAt: 0,
  policyAt: 0,
  bounds: null,
});

/**
 * Raises order.malformed, order.forged, order.two_officers, order.not_yours, roster.invalid; order.stale for a
 * lock or a policy that is not newer than the last one carried out.
 */
export function judge(frame: OrderFrame, before: Known): Judged {
  const { known, verified } = verify(frame, before);
  const { order } = verified;
  if (!isComplete(verified)) throw error("order.two_officers");
  const aboutLines = order.kind === "hold" || order.kind === "release";
  if (aboutLines || !covers(order, known.line, known.device)) throw error("order.not_yours");
  if (!equal(reasonDigest(frame.reason), order.reason_digest)) throw error("order.forged");
  const reason = frame.reason.text;
  if (order.kind === "lock") {
    checkNewer(order, known.lockedAt);
    return { order, reason, known: { ...known, lockedAt: order.issued_at } };
  }
  if (order.kind === "policy") {
    checkNewer(order, known.policyAt);
    return { order, reason, known: { ...known, policyAt: order.issued_at, bounds: order.policy } };
  }
  return { order, reason, known };
}

function verify(frame: OrderFrame, known: Known): { known: Known; verified: Verified } {
  const { order, rosters } = frame;
  if (order.owner_signature !== null) {
    const verified = checkOwnersOrder(order, known.line, known.identityKey, known.server);
    return { known, verified };
  }
  const newer = withRosters(known, rosters);
  const verified = checkOfficersOrder(order, newer.chain.roster, known.server);
  return { known: newer.known, verified };
}

/**
 * Whether an order puts the device of a leaf out: by the organisation that the leaf's certificate names, or by
 * its own line. Raises order.*, roster.invalid.
 */
export function judgeRemoval(
  posted: Pick<Typed<"posted">, "order" | "rosters">,
  leaf: DeviceCertificate,
  server: string,
): Order {
  const { order: signed, rosters } = posted;
  const verified =
    signed.owner_signature !== null
      ? checkOwnersOrder(signed, leaf.lineId, leaf.identityKey, server)
      : checkOfficersOrder(signed, checkRosters(rosters, leaf.fleetKey).roster, server);
  const { order } = verified;
  if (!isComplete(verified)) throw error("order.two_officers");
  const destroys = order.kind === "erase" || order.kind === "revoke";
  if (!destroys || !covers(order, leaf.lineId, leaf.deviceId)) throw error("order.not_yours");
  return order;
}

/** Raises order.forged where there is no organisation, roster.invalid. */
export function checkRosters(rosters: SignedRoster[], fleetKey: Bytes): Chain {
  if (fleetKey.length === 0) throw error("order.forged");
  return checkChain(rosters, fleetKey);
}

/** Nobody goes back to officers of before. Raises roster.invalid. */
export function checkHolds(chain: Chain, version: number, hash: Bytes): void {
  const kept = chain.hashes[version - 1];
  if (version > 0 && (kept === undefined || !equal(kept, hash)))
    throw error("roster.invalid", "The roster is older than one that was seen before.");
}

/** The organisation's rosters, and what is known with the newest. Raises order.forged, roster.invalid. */
export function withRosters(known: Known, rosters: SignedRoster[]): { known: Known; chain: Chain } {
  const chain = checkRosters(rosters, known.fleetKey);
  checkHolds(chain, known.rosterVersion, known.rosterHash);
  const rosterHash = chain.hashes.at(-1) ?? new Uint8Array();
  return { known: { ...known, rosterVersion: chain.hashes.length, rosterHash }, chain };
}

function checkNewer(order: Order, last: number): void {
  if (order.issued_at <= last)
    throw error("order.stale", "That order was carried out before, or a later one was.");
}
