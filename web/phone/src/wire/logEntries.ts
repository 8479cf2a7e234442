/**
 * The entries of the transparency log (docs/protocol.md section 14); twin of chappe/wire/log_entries.py. An entry is
 * a MessagePack map, its fields in the order below: there is one spelling, and another is refused.
 */

import { decode as unpack } from "@msgpack/msgpack";
import { type Bytes, concat, equal, lengthPrefixed, utf8 } from "./bytes";
import { error } from "./errors";
import { walkMessagePack } from "./heads";
import { bytes, int, list, nullable, type Of, oneOf, type Shape, struct, text } from "./shape";
import { packed } from "./signing";

export { certificateHash, deviceHash, endorsementBytes, lineCommitment } from "./endorsing";

export const MAX_ENTRY = 1024;
/** How long before officers' device is added it must have been announced. */
export const ANNOUNCED_SECONDS = 24 * 3600;
const MAX_ROSTERS = 256;
const ANNOUNCED = utf8("chappe log device announced v1");
const ROSTER = utf8("chappe roster v1\0");

const hash32 = bytes(32);
const version = int(1, 1);
const at = int(0, 2 ** 53);
const endorsement = struct({ device: hash32, signature: bytes(64) });
const officerMark = struct({ officer: hash32, signature: bytes(64) });
const ofDevice = {
  line: hash32,
  device: hash32,
  certificate: hash32,
  signature_key: hash32,
};
const ofOfficer = {
  organisation: hash32,
  officer: hash32,
  key: hash32,
  roster: int(1, MAX_ROSTERS),
  digest: hash32,
  signatures: list(officerMark, 1, 2),
};

const opened = struct({ what: oneOf("log.opened"), version, at, origin: text(1, 255) });
const lineCreated = struct({
  what: oneOf("line.created"),
  version,
  at,
  line: hash32,
  identity_key: hash32,
  organisation: bytes(0, 32),
  device: hash32,
  certificate: hash32,
  signature_key: hash32,
});
const deviceAdded = struct({
  what: oneOf("device.added"),
  version,
  at,
  ...ofDevice,
  by: nullable(endorsement),
  order: nullable(hash32),
});
const deviceAnnounced = struct({
  what: oneOf("device.announced"),
  version,
  at,
  ...ofDevice,
  identity_key: hash32,
  order: hash32,
  officers: list(officerMark, 2, 2),
});
const deviceRevoked = struct({
  what: oneOf("device.revoked"),
  version,
  at,
  device: hash32,
  by: oneOf("owner", "officers", "lapsed"),
  order: nullable(hash32),
});
const eraseOrdered = struct({
  what: oneOf("erase.ordered"),
  version,
  at,
  device: hash32,
  order: hash32,
});
const shareDestroyed = struct({ what: oneOf("share.destroyed"), version, at, device: hash32 });
const officerAdded = struct({ what: oneOf("officer.added"), version, at, ...ofOfficer });
const officerRemoved = struct({ what: oneOf("officer.removed"), version, at, ...ofOfficer });
const release = struct({
  what: oneOf("release"),
  version,
  at,
  digest: hash32,
  release: text(1, 64),
});

const shapes: Record<string, Shape<object>> = {
  "log.opened": opened,
  "line.created": lineCreated,
  "device.added": deviceAdded,
  "device.announced": deviceAnnounced,
  "device.revoked": deviceRevoked,
  "erase.ordered": eraseOrdered,
  "share.destroyed": shareDestroyed,
  "officer.added": officerAdded,
  "officer.removed": officerRemoved,
  release,
};

export type LineCreated = Of<typeof lineCreated>;
export type DeviceAdded = Of<typeof deviceAdded>;
export type DeviceAnnounced = Of<typeof deviceAnnounced>;
export type DeviceRevoked = Of<typeof deviceRevoked>;
export type Officers = Of<typeof officerAdded> | Of<typeof officerRemoved>;
export type OfficerMark = Of<typeof officerMark>;
export type LogEntry =
  | Of<typeof opened>
  | LineCreated
  | DeviceAdded
  | DeviceAnnounced
  | DeviceRevoked
  | Of<typeof eraseOrdered>
  | Of<typeof shareDestroyed>
  | Officers
  | Of<typeof release>;

/** Throws order.malformed for what is no entry, or not in its one spelling. */
export function decodeEntry(data: Uint8Array): LogEntry {
  try {
    if (data.length > MAX_ENTRY) throw malformed();
    walkMessagePack(data);
    const found = unpack(data) as { what?: unknown };
    const shape = typeof found.what === "string" ? shapes[found.what] : undefined;
    if (shape === undefined) throw malformed();
    const entry = shape(found) as LogEntry;
    if (!equal(packed(shape, entry), data) || !fits(entry)) throw malformed();
    return entry;
  } catch {
    throw malformed();
  }
}

function fits(entry: LogEntry): boolean {
  if (entry.what === "line.created") return [0, 32].includes(entry.organisation.length);
  return entry.what !== "device.added" || entry.by === null || entry.order === null;
}

/** What two officers sign to announce a device: good for this one order. */
export const announcementBytes = (entry: DeviceAnnounced): Bytes =>
  lengthPrefixed(
    ANNOUNCED,
    entry.line,
    entry.device,
    entry.certificate,
    entry.signature_key,
    entry.identity_key,
    entry.order,
  );

/** What officers signed of the roster whose body has this SHA-256. */
export const signedDigest = (digest: Uint8Array): Bytes => concat(ROSTER, digest);

const malformed = () =>
  error("order.malformed", "The transparency log has an entry that cannot be read.");
