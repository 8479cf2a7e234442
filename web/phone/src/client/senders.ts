/**
 * The organisations that may propose to remove from outside a group: its `external_senders` (docs/protocol.md
 * section 12.4). Keys come at the end, with a line that names them, and never move or go.
 */

import type { ProposalReceived } from "../mls";
import { type Change, concat, EXTERNAL_SENDERS, type Group, opaque, same } from "../mls";
import { bigEndian } from "../wire/bytes";
import type { DeviceCertificate } from "../wire/certificate";
import { error } from "../wire/errors";
import { fleetIdentity, verifiedCertificate } from "./contacts";

const KEY_BYTES = 32;
const BASIC = 1;

/** The fleet keys, by their place. */
export const keysOf = (group: Group): Uint8Array[] => group.senders.map((one) => one.signatureKey);

export function extensionFor(keys: Uint8Array[]): Change & { kind: "extension" } {
  const one = (key: Uint8Array): Uint8Array =>
    concat(opaque(key), bigEndian(BASIC, 2), opaque(fleetIdentity(key)));
  return { kind: "extension", type: EXTERNAL_SENDERS, data: opaque(concat(...keys.map(one))) };
}

/** These keys at the end of the group's senders; none where no key is new. */
export function withKeys(group: Group, wanted: Uint8Array[]): Change[] {
  const kept = keysOf(group);
  const keys = [...kept];
  for (const key of wanted)
    if (key.length > 0 && !keys.some((one) => same(one, key))) keys.push(key);
  return keys.length === kept.length ? [] : [extensionFor(keys)];
}

/** Every sender is an organisation, each once. Raises certificate.invalid. */
export function checkForm(group: Group): void {
  const found = group.senders;
  const fits = found.every(
    ({ identity, signatureKey }, at) =>
      signatureKey.length === KEY_BYTES &&
      same(identity, fleetIdentity(signatureKey)) &&
      found.findIndex((one) => same(one.signatureKey, signatureKey)) === at,
  );
  if (!fits) throw error("certificate.invalid");
}

/** No key is moved or dropped, and none comes that no member's certificate names. Raises certificate.invalid. */
export function checkFollowed(before: Group, after: Group): void {
  const [old, now] = [keysOf(before), keysOf(after)];
  checkForm(after);
  const kept = old.every((key, at) => same(key, now[at] ?? new Uint8Array()));
  const named = membersOf(after).map((one) => one.fleetKey);
  const fits = now.slice(old.length).every((key) => named.some((one) => same(one, key)));
  if (!kept || !fits) throw error("certificate.invalid");
}

/** The leaf that a proposal from outside puts out: by the organisation that the leaf's certificate names.
 * Raises message.unreadable for anything else. */
export function removedFromOutside(group: Group, received: ProposalReceived): number {
  if (!("external" in received.sender)) throw error("message.unreadable");
  const key = keysOf(group)[received.sender.external];
  const member = group.members.find((one) => one.leaf === received.leaf);
  if (key === undefined || member === undefined) throw error("message.unreadable");
  const { fleetKey } = verifiedCertificate(member.identity);
  if (fleetKey.length === 0 || !same(fleetKey, key)) throw error("message.unreadable");
  return received.leaf;
}

export const membersOf = (group: Group): DeviceCertificate[] =>
  group.members.map((one) => verifiedCertificate(one.identity));
