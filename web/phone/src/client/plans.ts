/** What one commit will do: as many intents, in order, as fit beside each other. */

import {
  type Change,
  concat,
  DESCRIPTION,
  EXTERNAL_SENDERS,
  externalSenders,
  type Group,
  opaque,
  same,
  viewKeyPackage,
} from "../mls";
import { type Bytes, bigEndian, toHex } from "../wire/bytes";
import type { DeviceCertificate } from "../wire/certificate";
import { fleetIdentity, verifiedCertificate } from "./contacts";
import { type Description, descriptionOf, encodeDescription } from "./groups";
import type { IntentRow, Place } from "./rows";

/** At once, in one commit. */
export const MAX_ADDS = 200;

export interface Plan {
  changes: Change[];
  /** The intents that it carries out. */
  rows: number[];
  /** Devices that it lets in. */
  joiners: Bytes[];
  renews: boolean;
}

export function plan(intents: IntentRow[], group: Group, places: Place[]): Plan {
  const made: Plan = { changes: [], rows: [], joiners: [], renews: false };
  const present = new Set(places.map((place) => place.device));
  const touched = new Set<string>();
  const before = descriptionOf(group);
  let description = before;
  const joining: DeviceCertificate[] = [];
  for (const { row, intent } of intents) {
    if (intent.kind === "leave") continue;
    if (intent.kind === "add" && intent.packages === null) break;
    if (intent.kind === "add" || intent.kind === "remove") {
      if (touched.has(intent.address) || joining.length >= MAX_ADDS) break;
      touched.add(intent.address);
    }
    if (intent.kind === "add") {
      for (const keyPackage of intent.packages ?? []) {
        const certificate = verifiedCertificate(viewKeyPackage(keyPackage).identity);
        const device = toHex(certificate.deviceId);
        if (present.has(device)) continue;
        present.add(device);
        joining.push(certificate);
        made.changes.push({ kind: "add", keyPackage });
      }
    } else if (intent.kind === "remove") {
      for (const { leaf, address } of places)
        if (address === intent.address && leaf !== group.ownLeaf)
          made.changes.push({ kind: "remove", leaf });
    } else if (intent.kind === "describe") {
      description = described(description, intent.name, intent.timer);
    } else if (intent.kind === "refresh") {
      made.renews = true;
    }
    made.rows.push(row);
  }
  made.joiners = joining.map((one) => one.deviceId);
  if (!sameDescription(description, before)) {
    const data = encodeDescription(description);
    made.changes.push({ kind: "extension", type: DESCRIPTION, data });
  }
  if (joining.length > 0) made.changes.push(...fleetKeys(group, joining));
  return made;
}

/**
 * Groups with lines of an organisation list its fleet key, which may put devices out (docs/protocol.md section
 * 12.4). Keys are added at the end and never moved: a register says where one stands.
 */
function fleetKeys(group: Group, joining: DeviceCertificate[]): Change[] {
  const members = group.members.map((one) => verifiedCertificate(one.identity));
  const listed = externalSenders(group.extensions);
  const keys = listed.map((one) => one.signatureKey);
  for (const { fleetKey } of [...members, ...joining])
    if (fleetKey.length > 0 && !keys.some((key) => same(key, fleetKey))) keys.push(fleetKey);
  if (keys.length === listed.length) return [];
  const BASIC = 1;
  const one = (key: Uint8Array): Uint8Array =>
    concat(opaque(key), bigEndian(BASIC, 2), opaque(fleetIdentity(key)));
  return [{ kind: "extension", type: EXTERNAL_SENDERS, data: opaque(concat(...keys.map(one))) }];
}

const described = (of: Description, name: string | null, timer: number | null): Description => ({
  kind: of.kind,
  name: name ?? of.name,
  timer: timer ?? of.timer,
});

const sameDescription = (a: Description, b: Description): boolean =>
  a.name === b.name && a.timer === b.timer && a.kind === b.kind;
