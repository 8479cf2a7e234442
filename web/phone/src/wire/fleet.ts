/**
 * What owners and locked phones ask of the relay about orders: `POST /v1/fleet` (docs/protocol.md section 12.5).
 *
 * MessagePack: an envelope that says who asks and is signed, around one question; back comes one answer. Of the
 * asks, those that a phone makes.
 */

import { encode as pack, decode as unpack } from "@msgpack/msgpack";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, bigEndian, lengthPrefixed, utf8 } from "./bytes";
import { sign } from "./certificate";
import { error } from "./errors";
import { orderStruct } from "./frames";
import { walkMessagePack } from "./heads";
import { reason, type SignedReceipt, signedOrder, signedReceipt } from "./orders";
import { MAX_ROSTERS, signedRoster } from "./rosters";
import {
  bool,
  bytes,
  int,
  list,
  nullable,
  type Of,
  oneOf,
  optional,
  type Shape,
  struct,
  text,
} from "./shape";

export const MEDIA_TYPE = "application/msgpack";
export const MAX_BODY = 4 * 1024 * 1024;
const ASK_CONTEXT = "chappe fleet ask v1";

const id16 = bytes(16);
const seconds = int(0, 2 ** 53);
const some = bytes(0, MAX_BODY);

const ASKS = {
  give: struct({
    order: signedOrder,
    reason,
    conversations: optional(list(bytes(16, 32), 0, 1000), []),
  }),
  status: struct({ order: optional(nullable(id16), null) }),
  rosters: struct({}),
  waiting: struct({}),
  report: struct({ receipt: signedReceipt }),
};

const place = struct({ device: id16, line: id16, register: optional(nullable(some), null) });
const deviceStages = struct({
  device: id16,
  line: id16,
  address: text(),
  ordered_at: seconds,
  unreadable_at: nullable(seconds),
  conversations: nullable(int(0, 2 ** 53)),
  removed: int(0, 2 ** 53),
  removed_at: nullable(seconds),
  done_at: nullable(seconds),
  receipt: nullable(signedReceipt),
  certificate: some,
  unlock_key: nullable(some),
  unlock_proof: nullable(some),
});
const orderStatus = struct({
  order: signedOrder,
  kind: oneOf("erase", "revoke", "lock", "policy", "hold", "release"),
  reason,
  ordered_at: seconds,
  awaiting: bool,
  devices: list(deviceStages),
});

const ANSWERS = {
  ok: struct({}),
  given: struct({ order: id16, awaiting: bool, unreadable: bool, places: list(place) }),
  orders: struct({ orders: list(orderStatus) }),
  roster_chain: struct({ rosters: list(signedRoster, 0, MAX_ROSTERS) }),
  for_device: struct({ orders: list(tagged("order", orderStruct)) }),
};

type Tagged<T extends Record<string, Shape<object>>> = {
  [K in keyof T & string]: { t: K } & Of<T[K]>;
}[keyof T & string];

export type Ask = Tagged<typeof ASKS>;
export type Answer = Tagged<typeof ANSWERS>;
/** What became of an order at one device; null: not yet. */
export type DeviceStages = Of<typeof deviceStages>;

/** `identity`: 32 private bytes of the line's identity key; `at`: Unix seconds. */
export function byOwner(
  server: string,
  line: Bytes,
  identity: Uint8Array,
  at: number,
  ask: Ask,
): Bytes {
  const body = encodeAsk(ask);
  const signature = sign(identity, askBytes(server, line, at, body));
  return new Uint8Array(pack({ t: "owner", line, at, ask: body, signature }));
}

/** `secret`: 32 private bytes of the device's signature key, or of the key that signs its guesses. */
export function byDevice(
  server: string,
  device: Bytes,
  key: "device" | "unlock",
  secret: Uint8Array,
  at: number,
  ask: Ask,
): Bytes {
  const body = encodeAsk(ask);
  const signature = sign(secret, askBytes(server, device, at, body));
  return new Uint8Array(pack({ t: "device", device, key, at, ask: body, signature }));
}

/** As `byDevice`, with a key that signs and does not show itself. */
export async function byDeviceSigning(
  server: string,
  device: Bytes,
  key: "device" | "unlock",
  signing: (data: Bytes) => Promise<Bytes>,
  at: number,
  ask: Ask,
): Promise<Bytes> {
  const body = encodeAsk(ask);
  const signature = await signing(askBytes(server, device, at, body));
  return new Uint8Array(pack({ t: "device", device, key, at, ask: body, signature }));
}

/** A receipt on its way: it verifies by itself, and who was erased has no key to sign an envelope with. */
export function unsignedReport(device: Bytes, receipt: SignedReceipt): Bytes {
  const body = encodeAsk({ t: "report", receipt });
  const signature = new Uint8Array(64);
  return new Uint8Array(pack({ t: "device", device, key: "device", at: 0, ask: body, signature }));
}

/** What is signed. `who`: line id or device id. */
export function askBytes(server: string, who: Uint8Array, at: number, ask: Uint8Array): Bytes {
  return lengthPrefixed(utf8(ASK_CONTEXT), utf8(server), who, bigEndian(at, 8), sha256(ask));
}

/** Throws http.malformed. */
export function decodeAnswer(data: Uint8Array): Answer {
  if (data.length > MAX_BODY) throw error("http.malformed");
  try {
    walkMessagePack(data);
    const { t, ...fields } = unpack(data) as Record<string, unknown>;
    const shape = Object.hasOwn(ANSWERS, String(t))
      ? ANSWERS[t as keyof typeof ANSWERS]
      : undefined;
    if (shape === undefined) throw error("http.malformed");
    return { t, ...shape(fields) } as Answer;
  } catch {
    throw error("http.malformed");
  }
}

function encodeAsk(ask: Ask): Bytes {
  const { t, ...fields } = ask;
  const shape: Shape<object> = ASKS[t];
  return new Uint8Array(pack({ t, ...shape(fields) }));
}

/** A struct that says its type, as a frame does. */
function tagged<K extends string, T extends object>(t: K, shape: Shape<T>): Shape<{ t: K } & T> {
  return (value) => {
    const { t: found, ...fields } = (value ?? {}) as Record<string, unknown>;
    if (found !== t) throw error("http.malformed");
    return { t, ...shape(fields) };
  };
}
