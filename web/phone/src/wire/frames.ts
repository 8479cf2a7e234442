/**
 * The frames of the socket `/v1/socket`, subprotocol `chappe.v1` (docs/protocol.md section 7).
 *
 * One binary message holds one frame: a MessagePack map whose `t` names the type. Unknown fields, unknown types,
 * wrong types and wrong lengths are refused. The names of types and fields are those of the wire.
 */

import { encode as pack, decode as unpack } from "@msgpack/msgpack";
import type { Bytes } from "./bytes";
import { lengthPrefixed, utf8 } from "./bytes";
import { type ChappeError, error } from "./errors";
import { walkMessagePack } from "./heads";
import { reason, signedOrder, signedReceipt } from "./orders";
import { MAX_ROSTERS, signedRoster } from "./rosters";
import {
  bool,
  bytes,
  int,
  list,
  Misfit,
  nullable,
  type Of,
  oneOf,
  optional,
  type Shape,
  struct,
  text,
} from "./shape";

export const SUBPROTOCOL = "chappe.v1";
export const SIGN_IN_CONTEXT = "chappe socket v1";

export const MAX_FRAME = 8 * 1024 * 1024;
export const MAX_PAYLOAD = 1024 * 1024;
export const MAX_COMMIT = 4 * 1024 * 1024;
export const MAX_RECIPIENTS = 20_000;
export const MAX_KEY_PACKAGES = 200;
/** Of a line. */
export const MAX_DEVICES = 100;
export const MAX_KEY_PACKAGE = 16 * 1024;
export const MAX_ENROLMENT = 4_096;
export const MAX_REGISTER = 128 * 1024;
export const MAX_WATCHED = 10_000;
export const MAX_SETTLED = 64;
export const MAX_ENDPOINT = 1024;
/** What nobody fetches for this long is dropped. */
export const MAILBOX_SECONDS = 30 * 24 * 3600;

const MOST = 2 ** 53;
const ref = int(0, 2 ** 32 - 1);
const sequence = int(0, MOST);
const seconds = int(0, MOST);
const id16 = bytes(16);
const hash32 = bytes(32);
const groupId = bytes(16, 32);
const epoch = int(0, MOST);
const commitPayload = bytes(1, MAX_COMMIT);
const keyPackage = bytes(1, MAX_KEY_PACKAGE);
const address = text(3, 320);
const certificate = bytes(1, 1024);
const someRecipients = list(id16, 1, MAX_RECIPIENTS);

const deviceEntry = struct({
  device: id16,
  certificate,
  key_package: optional(nullable(keyPackage), null),
});

const welcomeFor = struct({ to: someRecipients, payload: commitPayload });

const pushAddress = struct({
  endpoint: text(1, MAX_ENDPOINT),
  p256dh: bytes(65),
  auth: id16,
});

/** A fleet order for this device; `rosters`: all of the organisation's, none where the line's owner ordered. */
export const orderStruct = struct({
  order: signedOrder,
  rosters: list(signedRoster, 0, MAX_ROSTERS),
  reason,
});

const FROM_RELAY = {
  hello: struct({ nonce: hash32, server: text(), time: seconds }),
  welcome: struct({
    key_packages: int(-MOST, MOST),
    last_resort: bool,
    newest: optional(sequence, 0),
  }),
  accepted: struct({ ref, id: id16, expires: seconds }),
  done: struct({ ref }),
  refused: struct({ ref: nullable(ref), code: text(), message: text() }),
  deliver: struct({ sequence, id: id16, payload: commitPayload, at: seconds }),
  line: struct({
    ref,
    line: id16,
    address,
    identity_key: hash32,
    devices: list(deviceEntry),
    salt: hash32,
  }),
  ticket: struct({ ref, id: hash32, token: hash32, expires: seconds }),
  term: struct({
    stage: oneOf("active", "grace", "suspended", "closed"),
    ends: seconds,
    suspends: seconds,
    closes: seconds,
    forgotten: seconds,
  }),
  order: orderStruct,
  posted: struct({
    group: groupId,
    device: id16,
    order: signedOrder,
    rosters: list(signedRoster, 0, MAX_ROSTERS),
    epoch,
    proposal: optional(nullable(bytes(1, 1024)), null),
  }),
};

const FROM_DEVICE = {
  sign_in: struct({ device: id16, signature: bytes(64) }),
  send: struct({ ref, id: id16, to: someRecipients, payload: bytes(1, MAX_PAYLOAD) }),
  commit: struct({
    ref,
    id: id16,
    group: groupId,
    epoch,
    opener: hash32,
    next_lock: hash32,
    to: list(id16, 0, MAX_RECIPIENTS),
    payload: commitPayload,
    welcomes: optional(list(welcomeFor, 0, 256), []),
    settles: optional(list(id16, 0, MAX_SETTLED), []),
  }),
  ack: struct({ sequence }),
  publish: struct({
    ref,
    one_time: optional(list(keyPackage, 0, MAX_KEY_PACKAGES), []),
    last_resort: optional(nullable(keyPackage), null),
  }),
  lookup: struct({
    ref,
    address,
    key_packages: optional(bool, false),
    devices: optional(nullable(list(id16, 0, MAX_DEVICES)), null),
  }),
  attach: struct({ ref, size: int(1, 2 ** 40) }),
  enrol: struct({
    ref,
    sealed: bytes(1, MAX_ENROLMENT),
    unlock_key: optional(nullable(hash32), null),
    unlock_proof: optional(nullable(bytes(64)), null),
  }),
  report: struct({ ref, receipt: signedReceipt }),
  register: struct({ ref, sealed: bytes(1, MAX_REGISTER) }),
  watch: struct({ ref, groups: list(groupId, 0, MAX_WATCHED) }),
  settled: struct({ ref, group: groupId, epoch, opener: hash32, order: id16, device: id16 }),
  subscribe: struct({ ref, push: optional(nullable(pushAddress), null) }),
  token: struct({ ref, digest: hash32, overlap: optional(int(0, MAILBOX_SECONDS), 0) }),
};

type Table = Record<string, Shape<object>>;
type Frames<T extends Table> = { [K in keyof T & string]: { t: K } & Of<T[K]> }[keyof T & string];

export type FromRelay = Frames<typeof FROM_RELAY>;
export type FromDevice = Frames<typeof FROM_DEVICE>;
export type Frame = FromRelay | FromDevice;
/** The frame of one type: `Typed<"deliver">`. */
export type Typed<K extends Frame["t"]> = Extract<Frame, { t: K }>;
export type DeviceEntry = Of<typeof deviceEntry>;
export type WelcomeFor = Of<typeof welcomeFor>;

/** The bytes of one frame, its fields in the protocol's order. Throws frame.malformed for one that does not fit. */
export function encode(frame: Frame): Bytes {
  const { t, ...fields } = frame;
  const shape = shapeOf({ ...FROM_RELAY, ...FROM_DEVICE }, t);
  if (shape === undefined) throw error("frame.unknown_type");
  try {
    const data = new Uint8Array(pack({ t, ...shape(fields) }));
    // The library makes a float of a number that JavaScript does not hold exactly.
    walkMessagePack(data);
    return data;
  } catch {
    throw error("frame.malformed");
  }
}

/** One frame of the relay. Throws frame.oversized, frame.malformed, frame.unknown_type. */
export function decodeFromRelay(data: Uint8Array): FromRelay {
  return decode(data, FROM_RELAY) as FromRelay;
}

/** One frame of a device; as `decodeFromRelay`. */
export function decodeFromDevice(data: Uint8Array): FromDevice {
  return decode(data, FROM_DEVICE) as FromDevice;
}

/** What a device signs to sign in. */
export function signInBytes(server: string, nonce: Uint8Array): Bytes {
  return lengthPrefixed(utf8(SIGN_IN_CONTEXT), utf8(server), nonce);
}

function decode(data: Uint8Array, known: Table): object {
  if (data.length > MAX_FRAME) throw error("frame.oversized");
  const found = read(data);
  const { t, ...fields } = found;
  const shape = typeof t === "string" ? shapeOf(known, t) : undefined;
  if (shape === undefined) throw unfit(found);
  try {
    return { t, ...shape(fields) };
  } catch (problem) {
    if (problem instanceof Misfit) throw error("frame.malformed");
    throw problem;
  }
}

function read(data: Uint8Array): Record<string, unknown> {
  let found: unknown;
  try {
    walkMessagePack(data);
    found = unpack(data);
  } catch {
    throw error("frame.malformed");
  }
  if (
    typeof found !== "object" ||
    found === null ||
    Object.getPrototypeOf(found) !== Object.prototype
  ) {
    throw error("frame.malformed");
  }
  return found as Record<string, unknown>;
}

/** A type that this end does not know is told apart from a frame that is none. */
function unfit(found: Record<string, unknown>): ChappeError {
  try {
    nullable(ref)(found.ref ?? null);
  } catch {
    return error("frame.malformed");
  }
  const named = typeof found.t === "string" && found.t !== "";
  return error(named ? "frame.unknown_type" : "frame.malformed");
}

function shapeOf(table: Table, t: string): Shape<object> | undefined {
  return Object.hasOwn(table, t) ? table[t] : undefined;
}
