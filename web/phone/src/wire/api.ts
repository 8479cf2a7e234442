/**
 * Bodies of the HTTP API (docs/protocol.md section 6). JSON; bytes travel as base64url without padding, in the
 * one canonical spelling. Unknown fields are refused. The names of fields are those of the wire.
 */

import type { Bytes } from "./bytes";
import { fromUtf8, lengthPrefixed, utf8 } from "./bytes";
import { error } from "./errors";
import { int, type Of, oneOf, optional, type Shape, struct, text } from "./shape";

/** Largest JSON body that the relay reads, in bytes. */
export const MAX_BODY = 16 * 1024;
/** Largest offer or answer of a device link, in bytes. */
export const MAX_RENDEZVOUS = 64 * 1024;
export const RENDEZVOUS_SECONDS = 600;
const ACTIVATE_CONTEXT = "chappe activate v1";
const ADD_DEVICE_CONTEXT = "chappe add device v1";
const RENEW_CONTEXT = "chappe renew v1";

const base64 = text(0, 2048, /^[A-Za-z0-9_-]*$/);
const whole = int(-(2 ** 53), 2 ** 53);

/** GET /v1/info. Sizes in bytes; `name` is the host part of this relay's addresses. */
export const info = struct({
  name: text(),
  version: text(),
  max_payload: whole,
  max_attachment: whole,
  mailbox_days: whole,
  share_key: optional(base64, ""),
  push_key: optional(base64, ""),
});
export type Info = Of<typeof info>;

/** POST /v1/activate; `proof` is the device's signature over `activateBytes`. */
export const activate = struct({ code: text(0, 64), certificate: base64, proof: base64 });
export type Activate = Of<typeof activate>;

/** POST /v1/activate/organisation: whose lines does this code make? */
export const codeFor = struct({ code: text(0, 64) });

/**
 * Answer: its name and the fleet key (base64url of 32 bytes), both empty where it is of none; the digits that a
 * PIN there has at least, by the relay's word.
 */
export const organisation = struct({
  name: text(),
  fleet_key: base64,
  pin_length: optional(int(6, 32), 6),
});
export type Organisation = Of<typeof organisation>;

/**
 * POST /v1/devices; `proof` is the device's signature over `addDeviceBytes`; `by` and `endorsement` are of the
 * device that lets it in (wire/endorsing.ts).
 */
export const addDevice = struct({
  certificate: base64,
  proof: base64,
  by: base64,
  endorsement: base64,
});
export type AddDevice = Of<typeof addDevice>;

/** POST /v1/devices/enrolled: a new phone that two officers let in; `proof` as in `addDevice`. */
export const enter = struct({ certificate: base64, proof: base64 });
export type Enter = Of<typeof enter>;

/** Answer to all three; `salt` is of the line, in the transparency log. */
export const activated = struct({ line: base64, device: base64, address: text(), salt: base64 });
export type Activated = Of<typeof activated>;

/** POST /v1/renew; `proof` is the device's signature over `renewBytes`. The answer is the term as it is now. */
export const renew = struct({ code: text(0, 64), device: base64, proof: base64 });
export type Renew = Of<typeof renew>;
const instant = int(0, 2 ** 53);
export const renewed = struct({
  stage: oneOf("active", "grace", "suspended", "closed"),
  ends: instant,
  suspends: instant,
  closes: instant,
  forgotten: instant,
});

/** POST /v1/unlock/challenge, and its answer. */
export const unlockChallenge = struct({ device: base64 });
export const unlockChallenged = struct({ challenge: base64 });

/** POST /v1/unlock, and its answer. */
export const unlock = struct({ device: base64, sealed: base64 });
export const unlocked = struct({ sealed: base64 });

/** Every 4xx and 5xx answer. */
export const failure = struct({ code: text(), message: text() });

/** The JSON of one body. */
export function encode(body: object): Bytes {
  return utf8(JSON.stringify(body));
}

/** One body of that shape. Throws http.malformed. */
export function decode<T>(data: Uint8Array, shape: Shape<T>): T {
  if (data.length > MAX_BODY) throw error("http.malformed");
  try {
    return shape(JSON.parse(fromUtf8(data)));
  } catch {
    throw error("http.malformed");
  }
}

/** base64url without padding. */
export function toBase64(data: Uint8Array): string {
  const binary = Array.from(data, (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * The bytes of a base64url text, `length` of them if given. Throws http.malformed for padding, foreign
 * characters, stray bits or another length.
 */
export function fromBase64(text: string, length?: number): Bytes {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) throw error("http.malformed");
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const data = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  if (toBase64(data) !== text || (length !== undefined && data.length !== length)) {
    throw error("http.malformed");
  }
  return data;
}

/** What the new device signs to activate; `code` in its canonical form (16 characters). */
export function activateBytes(server: string, code: string, certificate: Uint8Array): Bytes {
  return lengthPrefixed(utf8(ACTIVATE_CONTEXT), utf8(server), utf8(code), certificate);
}

/** What a device signs to renew its line's term; `code` in its canonical form. */
export function renewBytes(server: string, code: string, device: Uint8Array): Bytes {
  return lengthPrefixed(utf8(RENEW_CONTEXT), utf8(server), utf8(code), device);
}

/** What a linked device signs to be added. */
export function addDeviceBytes(server: string, certificate: Uint8Array): Bytes {
  return lengthPrefixed(utf8(ADD_DEVICE_CONTEXT), utf8(server), certificate);
}
