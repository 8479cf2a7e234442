/**
 * A device's register: in which conversations it is, sealed to its organisation's officers (docs/protocol.md
 * section 12.4). It names groups by their random ids and says nothing of who else is in them.
 */

import { encode as pack } from "@msgpack/msgpack";
import { type Bytes, bigEndian, concat, utf8 } from "./bytes";
import { error } from "./errors";
import { MAX_WATCHED } from "./frames";
import { sealTo } from "./unlock";

const REGISTER_CONTEXT = "chappe register v1";
const STEP = 1024;

/**
 * `leaf`: the device's place in the group's tree. `sender`: that of its organisation's fleet key in the group's
 * `external_senders`.
 */
export interface Membership {
  group: Bytes;
  leaf: number;
  sender: number;
}

/** Padded to whole kibibytes before it is sealed. Throws roster.invalid for a key that is none. */
export async function sealRegister(
  sealKey: Uint8Array,
  device: Uint8Array,
  places: Membership[],
): Promise<Bytes> {
  const kept = places.slice(0, MAX_WATCHED / 4);
  const encoded = pack([kept.map(({ group, leaf, sender }) => [group, leaf, sender])]);
  const padded = new Uint8Array(Math.ceil((encoded.length + 4) / STEP) * STEP);
  padded.set(concat(bigEndian(encoded.length, 4), encoded));
  try {
    return await sealTo(sealKey, concat(utf8(REGISTER_CONTEXT), device), padded);
  } catch {
    throw error("roster.invalid");
  }
}
