/**
 * What unlocking needs besides the keystore: the records `vault`, `pending` and `offline`.
 *
 * Each is sealed under the sealing key of the entry that it names: who can write to the database, but cannot
 * use the keystore, changes nothing in them. Who can use it (a script of this origin) reads them without a
 * PIN, so they hold nothing that a PIN can be checked against.
 */

import { decode, encode } from "@msgpack/msgpack";
import type { Bytes } from "../wire/bytes";
import { error } from "../wire/errors";
import type { RelayPlace } from "../wire/links";
import { bytes, int, nullable, type Of, type Shape, struct, text } from "../wire/shape";
import { PUBLIC_KEY_BYTES } from "../wire/unlock";
import { WRAPPED_BYTES } from "./keys";
import { ENTRY_NAME_BYTES, type Entry } from "./keystore";

export const MAX_OFFLINE_HOURS = 72;
export const IDLE_SECONDS = 15 * 60;
export const MIN_IDLE = 10;
export const MAX_IDLE = 24 * 3600;
/** PINs whose setting began and whose answer was lost, before one of them has to be unlocked with. */
export const MAX_PENDING = 8;

const moment = int(0, 2 ** 53 - 1);

const policyShape = struct({
  offlineHours: int(0, MAX_OFFLINE_HOURS),
  idleSeconds: int(MIN_IDLE, MAX_IDLE),
});

const vaultShape = struct({
  version: int(1, 1),
  entry: bytes(ENTRY_NAME_BYTES),
  device: bytes(16),
  host: text(1, 255),
  port: int(1, 65535),
  pin: nullable(bytes(32)),
  service: bytes(PUBLIC_KEY_BYTES),
  wrapped: bytes(WRAPPED_BYTES),
  commitment: bytes(32),
  policy: policyShape,
});

const offlineShape = struct({
  version: int(1, 1),
  entry: bytes(ENTRY_NAME_BYTES),
  sealed: bytes(WRAPPED_BYTES),
  since: moment,
  until: moment,
  seen: moment,
  run: text(0, 64),
  up: moment,
  tries: int(0, 16),
});

/** How long without the relay, in hours, and how long without use, in seconds. */
export type Policy = Of<typeof policyShape>;
/** `pin`: the hash of the relay's certificate, where it made that itself. */
export type Vault = Of<typeof vaultShape>;
/** Times in Unix seconds; `run` and `up` say where in which run of this program the copy was made. `seen`
 * is the latest time that anything looked, `tries` what wrong PINs are left. */
export type OfflineCopy = Of<typeof offlineShape>;

/** No hour without the relay, unless somebody asks for some: docs/security.md says what they cost. */
export const POLICY: Policy = { offlineHours: 0, idleSeconds: IDLE_SECONDS };

export function placeOf(vault: Vault): RelayPlace {
  return { host: vault.host, port: vault.port, pin: vault.pin };
}

/** A record as IndexedDB keeps it. */
export interface Kept {
  entry: Bytes;
  sealed: Bytes;
}

export const FORMS = { vault: vaultShape, offline: offlineShape } as const;

export async function keep(
  what: keyof typeof FORMS,
  value: Vault | OfflineCopy,
  entry: Entry,
): Promise<Kept> {
  return { entry: entry.name, sealed: await entry.seal(what, encode(value)) };
}

/** Raises storage.failed for what is damaged, or not of this entry. */
export async function opened<K extends keyof typeof FORMS>(
  what: K,
  kept: Kept,
  entry: Entry,
): Promise<Of<(typeof FORMS)[K]>> {
  const plain = await entry.open(what, kept.sealed);
  try {
    const shape = FORMS[what] as Shape<Of<(typeof FORMS)[K]>>;
    return shape(decode(plain));
  } catch {
    throw damaged(what);
  }
}

export function damaged(what: string): Error {
  return error("storage.failed", `The vault's record "${what}" is damaged; nothing was changed.`);
}
