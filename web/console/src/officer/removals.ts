/**
 * The fleet key's Remove proposals for the conversations of a device (docs/protocol.md section 12.4): as
 * src/chappe/client/officer_removals.py signs them, without a file to remember them in.
 */
import { opaque } from "../../../phone/src/mls/bytes.ts";
import { type Bytes, bigEndian, concat, toHex, utf8 } from "../../../phone/src/wire/bytes.ts";
import { sign } from "../../../phone/src/wire/certificate.ts";
import { REMOVAL_CONTEXT } from "../../../phone/src/wire/orders.ts";
import type { Membership } from "../../../phone/src/wire/registers.ts";

/** Signed at once for a conversation: the present epoch, and the next ones. */
export const EPOCHS = 16;
/** Postings in one ask: far below what the relay takes, with proposals of 200 bytes. */
const BATCH = 200;

// RFC 9420 sections 6, 6.1, 6.2 and 12.1.3.
const MLS10 = bigEndian(1, 2);
const PUBLIC_MESSAGE = bigEndian(1, 2);
const EXTERNAL = Uint8Array.of(2);
const PROPOSAL = Uint8Array.of(2);
const REMOVE = bigEndian(3, 2);
const LABEL = utf8("MLS 1.0 FramedContentTBS");

export interface Proposal {
  epoch: number;
  message: Bytes;
}

export interface Posting {
  group: Bytes;
  proposals: Proposal[];
}

/** A device that an order takes out of its conversations. `through`: by group, the last epoch that was signed for. */
export interface Removal {
  order: Bytes;
  device: Bytes;
  places: Membership[];
  through: Map<string, number>;
}

/** Nothing signed yet. A register that names a group twice counts once. */
export function begin(order: Bytes, device: Bytes, places: Membership[]): Removal {
  const single = [...new Map(places.map((place) => [toHex(place.group), place])).values()];
  return { order, device, places: single, through: new Map() };
}

/** Proposals for every group whose epoch has none; `epochs`: of the groups that the relay knows, by their hex. */
export function signRemovals(
  removal: Removal,
  epochs: Map<string, number>,
  fleet: Uint8Array,
): { postings: Posting[]; removal: Removal } {
  const through = new Map(removal.through);
  const postings: Posting[] = [];
  for (const place of removal.places) {
    const group = toHex(place.group);
    const epoch = epochs.get(group);
    if (epoch === undefined || epoch <= (through.get(group) ?? -1)) continue;
    const proposals = Array.from({ length: EPOCHS }, (_, nth) => ({
      epoch: epoch + nth,
      message: removeMessage(place, epoch + nth, removal.order, fleet),
    }));
    postings.push({ group: place.group, proposals });
    through.set(group, epoch + EPOCHS - 1);
  }
  return { postings, removal: { ...removal, through } };
}

/** At least one: that there is nothing to remove is to be said, too. */
export function batches(postings: Posting[]): Posting[][] {
  const count = Math.max(1, Math.ceil(postings.length / BATCH));
  return Array.from({ length: count }, (_, nth) => postings.slice(nth * BATCH, (nth + 1) * BATCH));
}

/** An MLSMessage: a PublicMessage of the group's external sender `place.sender`, which proposes to remove a leaf. */
export function removeMessage(
  place: Membership,
  epoch: number,
  order: Uint8Array,
  fleet: Uint8Array,
): Bytes {
  const content = concat(
    opaque(place.group),
    bigEndian(epoch, 8),
    EXTERNAL,
    bigEndian(place.sender, 4),
    opaque(concat(utf8(REMOVAL_CONTEXT), order)),
    PROPOSAL,
    REMOVE,
    bigEndian(place.leaf, 4),
  );
  const signed = concat(MLS10, PUBLIC_MESSAGE, content);
  const signature = sign(fleet, concat(opaque(LABEL), opaque(signed)));
  return concat(MLS10, PUBLIC_MESSAGE, content, opaque(signature));
}
