/**
 * Fleet orders and their receipts (docs/protocol.md sections 12.2 and 12.3).
 *
 * An order is signed by an organisation's fleet key and by an officer, or by the identity key of the line that it
 * is about. It carries no reason, only a digest of it: members of conversations see orders, too.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, equal, toHex, utf8 } from "./bytes";
import { sign } from "./certificate";
import { error } from "./errors";
import {
  checkOfficers,
  MAX_OFFICERS,
  neededSignatures,
  type OfficerSignature,
  officerSignature,
  type Roster,
} from "./rosters";
import { bool, bytes, int, list, nullable, type Of, oneOf, optional, struct, text } from "./shape";
import { bodyBytes, check, packed, unpacked } from "./signing";
import { areSound, MAX_TIMER } from "./timers";

const ORDER_CONTEXT = "chappe order v1";
const REASON_CONTEXT = "chappe reason v1";
const RECEIPT_CONTEXT = "chappe receipt v1";
const UNLOCK_KEY_CONTEXT = "chappe unlock key v1";
/** Goes before an order's id in the authenticated data of the Remove proposals that carry it out. */
export const REMOVAL_CONTEXT = "chappe removal v1";

export const MAX_TARGETS = 1000;
export const MAX_ORDER = 64 * 1024;
export const MAX_REASON = 500;
/** Lines that one officer may erase or revoke alone. */
export const LINES_WITHOUT_A_SECOND = 5;

const id16 = bytes(16);
const seconds = int(0, 2 ** 53);
const kind = oneOf("erase", "revoke", "lock", "policy", "hold", "release");

const target = struct({ line: id16, device: optional(nullable(id16), null) });
const timer = int(0, MAX_TIMER);
/** What may be left out, and then is: so a program that does not know the last ones yet obeys the others. */
const mayBeAbsent = {
  pin_length: optional(int(6, 32), 6),
  lock_on_hide: optional(bool, false),
  disappear_default: optional(timer, 0),
  disappear_max: optional(timer, 0),
  receipts: optional(oneOf("free", "on", "off"), "free"),
};
const fleetPolicy = struct({
  offline_hours: int(0, 72),
  idle_seconds: int(10, 86_400),
  ...mayBeAbsent,
});
const orderShape = struct({
  version: int(1, 1),
  id: id16,
  kind,
  server: text(1, 253),
  organisation: bytes(0, 16),
  targets: list(target, 0, MAX_TARGETS),
  issued_at: seconds,
  reason_digest: bytes(32),
  policy: optional(nullable(fleetPolicy), null),
});
/** What an absent field of a policy is as good as. */
export const UNRULED = Object.fromEntries(
  Object.entries(mayBeAbsent).map(([name, { absent }]) => [name, absent]),
) as { [K in keyof typeof mayBeAbsent]: FleetPolicy[K] };
export const signedOrder = struct({
  body: bytes(1, MAX_ORDER),
  fleet_signature: optional(nullable(bytes(64)), null),
  officers: optional(list(officerSignature, 0, MAX_OFFICERS), []),
  owner_signature: optional(nullable(bytes(64)), null),
});
export const reason = struct({ text: text(1, MAX_REASON), salt: id16 });
const receiptShape = struct({
  version: int(1, 1),
  order: id16,
  device: id16,
  outcome: oneOf("erased", "revoked", "locked", "policy"),
  at: seconds,
});
export const signedReceipt = struct({
  body: bytes(1, 512),
  key: oneOf("device", "unlock"),
  signature: bytes(64),
});

export type Kind = Of<typeof kind>;
/** A device of a line, or all that it has (`device` null). */
export type Target = Of<typeof target>;
/**
 * The most that a phone may allow itself: hours without the relay, seconds without use, digits of a PIN, staying open
 * out of sight; the timer (seconds, 0: nothing is ruled) that its new conversations begin with, and the longest that it
 * obeys; whether it says what was read, where the person is not free to choose.
 */
export type FleetPolicy = Of<typeof fleetPolicy>;
/** `organisation`: 16 bytes, or empty in an order of the line's owner. */
export type Order = Of<typeof orderShape>;
/** `body`: the MessagePack of an `Order`, as it was signed. Fleet key and officers, or the owner. */
export type SignedOrder = Of<typeof signedOrder>;
/** Why. The salt keeps those who see the digest from trying out reasons. */
export type Reason = Of<typeof reason>;
/** What a device did about an order; `at` by its own clock. */
export type Receipt = Of<typeof receiptShape>;
/** `key`: the device's signature key, or the key that signs its guesses where the vault was locked. */
export type SignedReceipt = Of<typeof signedReceipt>;
export type Outcome = Receipt["outcome"];

/** What a device answers to the kinds that it carries out. */
export const OUTCOMES: Partial<Record<Kind, Outcome>> = {
  erase: "erased",
  revoke: "revoked",
  lock: "locked",
  policy: "policy",
};
/** What a line's owner may order. */
const OWNERS: Kind[] = ["erase", "revoke", "lock"];

/** An order whose signatures hold, and the officers who signed it (none where the owner did). */
export interface Verified {
  order: Order;
  officers: Bytes[];
}

/** Whether it is about this device, if that is of the organisation. */
export function covers(order: Order, line: Uint8Array, device: Uint8Array): boolean {
  const about = (one: Target) =>
    equal(one.line, line) && (one.device === null || equal(one.device, device));
  return forAll(order) || order.targets.some(about);
}

/** A policy without targets is for every line of the organisation, now and later. */
export function forAll(order: Order): boolean {
  return order.kind === "policy" && order.targets.length === 0;
}

/** Whether its contents alone ask for two officers. */
export function needsTwo(order: Order): boolean {
  const destroys = order.kind === "erase" || order.kind === "revoke";
  const many = destroys && linesOf(order).size > LINES_WITHOUT_A_SECOND;
  return order.organisation.length > 0 && (many || order.kind === "release");
}

/** Signed by as many as its contents ask for. */
export function isComplete(verified: Verified): boolean {
  return !needsTwo(verified.order) || verified.officers.length >= 2;
}

/** Its contents; nothing is verified. Throws order.malformed. */
export function readOrder(signed: SignedOrder): Order {
  const order = unpacked(orderShape, signed.body, "order.malformed");
  const { organisation, policy, targets } = order;
  const byOfficers = organisation.length === 16;
  const named = new Set(
    targets.map((one) => `${toHex(one.line)} ${one.device && toHex(one.device)}`),
  );
  const aboutLines = order.kind === "hold" || order.kind === "release";
  const sound =
    (byOfficers || organisation.length === 0) &&
    (order.kind === "policy") === (policy !== null) &&
    (policy === null || areSound(policy.disappear_default, policy.disappear_max)) &&
    (byOfficers || (OWNERS.includes(order.kind) && linesOf(order).size === 1)) &&
    !(aboutLines && targets.some((one) => one.device !== null)) &&
    named.size === targets.length &&
    (targets.length > 0 || forAll(order));
  if (!sound) throw error("order.malformed");
  return order;
}

/**
 * An order of this organisation for this relay. Throws order.malformed, order.forged.
 *
 * `roster` comes from `checkChain`. Whether enough officers signed remains to be asked (`isComplete`). Signatures
 * of those who are no officers any more count for nothing, and do not spoil the others.
 */
export function checkOfficersOrder(signed: SignedOrder, roster: Roster, server: string): Verified {
  const order = readOrder(signed);
  const ours = equal(order.organisation, roster.organisation) && order.server === server;
  if (!ours || signed.fleet_signature === null || signed.owner_signature !== null) {
    throw error("order.forged");
  }
  const signedBytes = bodyBytes(ORDER_CONTEXT, signed.body);
  check(roster.fleet_key, signed.fleet_signature, signedBytes, "order.forged");
  const officers = checkOfficers(roster, signed.officers, signedBytes, "order.forged", true);
  if (officers.length === 0) throw error("order.forged");
  return { order, officers };
}

/** An order about `line` by its owner. Throws order.malformed, order.forged. */
export function checkOwnersOrder(
  signed: SignedOrder,
  line: Uint8Array,
  identityKey: Uint8Array,
  server: string,
): Verified {
  const order = readOrder(signed);
  const aboutIt = order.targets.every((one) => equal(one.line, line));
  const ours = order.organisation.length === 0 && aboutIt && order.server === server;
  const others = signed.fleet_signature !== null || signed.officers.length > 0;
  if (!ours || signed.owner_signature === null || others) throw error("order.forged");
  check(identityKey, signed.owner_signature, bodyBytes(ORDER_CONTEXT, signed.body), "order.forged");
  return { order, officers: [] };
}

/** Whether as many officers signed as must. */
export function enoughOfficers(verified: Verified, roster: Roster): boolean {
  const asked = needsTwo(verified.order) ? 2 : 1;
  return verified.officers.length >= asked && neededSignatures(roster) >= asked;
}

/** An order of the line's owner, by the line's identity key (32 private bytes). */
export function signAsOwner(order: Order, identity: Uint8Array): SignedOrder {
  const body = packed(writtenOrder, order);
  const signature = sign(identity, bodyBytes(ORDER_CONTEXT, body));
  return { body, fleet_signature: null, officers: [], owner_signature: signature };
}

/** An officer's order: by the fleet key and the officer's own, 32 private bytes each. Another may approve it. */
export function signAsOfficer(
  order: Order,
  fleet: Uint8Array,
  officer: Bytes,
  secret: Uint8Array,
): SignedOrder {
  const body = packed(writtenOrder, order);
  const signed = bodyBytes(ORDER_CONTEXT, body);
  const signature = sign(secret, signed);
  return {
    body,
    fleet_signature: sign(fleet, signed),
    officers: [{ officer, signature }],
    owner_signature: null,
  };
}

/** A second officer's signature over the same order. */
export function approvalOf(
  signed: SignedOrder,
  officer: Bytes,
  secret: Uint8Array,
): OfficerSignature {
  return { officer, signature: sign(secret, bodyBytes(ORDER_CONTEXT, signed.body)) };
}

/** What the order carries of its reason. */
export function reasonDigest(why: Reason): Bytes {
  return new Uint8Array(sha256(concat(utf8(REASON_CONTEXT), why.salt, utf8(why.text))));
}

/** `secret`: 32 private bytes of the key that `key` names. */
export function signReceipt(
  receipt: Receipt,
  key: SignedReceipt["key"],
  secret: Uint8Array,
): SignedReceipt {
  const body = packed(receiptShape, receipt);
  return { body, key, signature: sign(secret, bodyBytes(RECEIPT_CONTEXT, body)) };
}

/** `unlockKey` as the device vouched for it, or null. Throws receipt.invalid. */
export function checkReceipt(
  signed: SignedReceipt,
  signatureKey: Uint8Array,
  unlockKey: Uint8Array | null,
): Receipt {
  const key = signed.key === "device" ? signatureKey : unlockKey;
  if (key === null) throw error("receipt.invalid");
  check(key, signed.signature, bodyBytes(RECEIPT_CONTEXT, signed.body), "receipt.invalid");
  return unpacked(receiptShape, signed.body, "receipt.invalid");
}

/** What a device's signature key signs to vouch for the key that signs its guesses. */
export function unlockKeyBytes(device: Uint8Array, unlockKey: Uint8Array): Bytes {
  return concat(utf8(UNLOCK_KEY_CONTEXT), new Uint8Array(1), device, unlockKey);
}

/** As it is signed: of a policy, what is as if it were absent is left out, as Python leaves it out. */
function writtenOrder(value: unknown): object {
  const order = orderShape(value);
  if (order.policy === null) return order;
  const unruled: Record<string, unknown> = UNRULED;
  const said = Object.entries(order.policy).filter(([name, given]) => unruled[name] !== given);
  return { ...order, policy: Object.fromEntries(said) };
}

function linesOf(order: Order): Set<string> {
  return new Set(order.targets.map((one) => toHex(one.line)));
}
