/**
 * The device certificate: who a device is, vouched for by its line's identity key (docs/protocol.md section 2).
 *
 * Its form is MLS's TLS presentation (RFC 9420 section 2.1), strictly read: one value has one encoding.
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { type Bytes, bigEndian, concat, fromUtf8, opaque, utf8 } from "./bytes";
import { error } from "./errors";

export const CONTEXT = "chappe device certificate v1";
export const MAX_BYTES = 1024;
export const ID_BYTES = 16;
export const KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

const NAME = /^[a-z0-9][a-z0-9._-]{0,31}$/;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const MAX_HOST = 253;
const MAX_ADDRESS = 320;

/**
 * `issuedAt` in Unix seconds; ids 16 bytes, keys 32 (Ed25519), signature 64, by the identity key. `fleetKey`: of
 * the organisation that the line says it is of; empty where it is of none.
 */
export interface DeviceCertificate {
  lineId: Bytes;
  address: string;
  deviceId: Bytes;
  signatureKey: Bytes;
  identityKey: Bytes;
  fleetKey: Bytes;
  issuedAt: number;
  signature: Bytes;
}

export type Unsigned = Omit<DeviceCertificate, "signature">;

/** `name@host` in its one spelling: lower case, no spaces around. Throws address.malformed. */
export function checkAddress(text: string): string {
  const spelled = text.trim().toLowerCase();
  if (text.length > MAX_ADDRESS || !isAddress(spelled)) throw error("address.malformed");
  return spelled;
}

/** The host part: the relay's server name. */
export function serverOf(address: string): string {
  return address.slice(address.indexOf("@") + 1);
}

export function toBytes(certificate: DeviceCertificate): Bytes {
  return concat(signedPart(certificate), opaque(certificate.signature));
}

/** The certificate that fills `data`; its signature is not checked yet. Throws certificate.invalid. */
export function fromBytes(data: Uint8Array): DeviceCertificate {
  if (data.length > MAX_BYTES) throw error("certificate.invalid");
  const reader = new Reader(data);
  const certificate = {
    lineId: reader.take(ID_BYTES),
    address: addressIn(reader.opaque()),
    deviceId: reader.take(ID_BYTES),
    signatureKey: reader.opaque(KEY_BYTES),
    identityKey: reader.opaque(KEY_BYTES),
    fleetKey: reader.opaque(),
    issuedAt: reader.seconds(),
    signature: reader.opaque(SIGNATURE_BYTES),
  };
  const fleet = certificate.fleetKey.length;
  if (!reader.atEnd || (fleet !== 0 && fleet !== KEY_BYTES)) throw error("certificate.invalid");
  return certificate;
}

/** Throws certificate.invalid unless the identity key signed it. */
export function verify(certificate: DeviceCertificate): void {
  if (!verifies(certificate.identityKey, toSign(certificate), certificate.signature)) {
    throw error("certificate.invalid");
  }
}

/** A certificate signed by the line's identity key, 32 private bytes. Throws address.malformed. */
export function issue(identity: Uint8Array, of: Omit<Unsigned, "identityKey">): DeviceCertificate {
  const unsigned = {
    ...of,
    address: checkAddress(of.address),
    identityKey: publicKey(identity),
  };
  return { ...unsigned, signature: sign(identity, toSign(unsigned)) };
}

/** The public key of 32 private bytes (Ed25519). */
export function publicKey(secret: Uint8Array): Bytes {
  return new Uint8Array(ed25519.getPublicKey(secret));
}

/** A signature of 64 bytes (Ed25519). */
export function sign(secret: Uint8Array, data: Uint8Array): Bytes {
  return new Uint8Array(ed25519.sign(data, secret));
}

/** Whether a signature holds, by RFC 8032: no other encodings of a point, no points of small order. */
export function verifies(key: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, data, key, { zip215: false });
  } catch {
    return false;
  }
}

const ROUNDS = 5_200;

/**
 * Sixty digits in twelve groups, the same for both people, over both identity keys and line ids: Signal's numeric
 * fingerprint, thirty digits a side, the smaller side first. Takes some 50 ms; call it in the worker.
 */
export function safetyNumber(
  identityA: Uint8Array,
  lineA: Uint8Array,
  identityB: Uint8Array,
  lineB: Uint8Array,
): string {
  const halves = [fingerprint(identityA, lineA), fingerprint(identityB, lineB)].sort();
  return (halves.join("").match(/.{5}/g) ?? []).join(" ");
}

function fingerprint(identityKey: Uint8Array, lineId: Uint8Array): string {
  let digest: Uint8Array = concat(new Uint8Array(2), identityKey, lineId);
  for (let round = 0; round < ROUNDS; round++) digest = sha512(concat(digest, identityKey));
  const fives = [0, 5, 10, 15, 20, 25].map((start) => {
    const value = digest.subarray(start, start + 5).reduce((sum, byte) => sum * 256 + byte, 0);
    return String(value % 100_000).padStart(5, "0");
  });
  return fives.join("");
}

function toSign(certificate: Unsigned): Bytes {
  return concat(opaque(utf8(CONTEXT)), signedPart(certificate));
}

function signedPart(certificate: Unsigned): Bytes {
  return concat(
    certificate.lineId,
    opaque(utf8(certificate.address)),
    certificate.deviceId,
    opaque(certificate.signatureKey),
    opaque(certificate.identityKey),
    opaque(certificate.fleetKey),
    bigEndian(certificate.issuedAt, 8),
  );
}

function isAddress(text: string): boolean {
  const at = text.indexOf("@");
  const host = text.slice(at + 1);
  return (
    at > 0 &&
    NAME.test(text.slice(0, at)) &&
    host.length <= MAX_HOST &&
    host.split(".").every((label) => LABEL.test(label))
  );
}

/** The address as the certificate spells it, which must be its one spelling. */
function addressIn(data: Uint8Array): string {
  let text = "";
  try {
    text = fromUtf8(data);
  } catch {
    throw error("certificate.invalid");
  }
  if (!isAddress(text)) throw error("certificate.invalid");
  return text;
}

/** A cursor that throws certificate.invalid past the end and for lengths not minimally encoded. */
class Reader {
  private at = 0;

  constructor(private readonly data: Uint8Array) {}

  get atEnd(): boolean {
    return this.at === this.data.length;
  }

  take(length: number): Bytes {
    const piece = this.data.slice(this.at, this.at + length);
    if (piece.length !== length) throw error("certificate.invalid");
    this.at += length;
    return new Uint8Array(piece);
  }

  /** An `opaque<V>`, of exactly `length` bytes if given. */
  opaque(length?: number): Bytes {
    const data = this.take(this.length());
    if (length !== undefined && data.length !== length) throw error("certificate.invalid");
    return data;
  }

  /** Eight bytes, not above 2^53. */
  seconds(): number {
    const value = new DataView(this.take(8).buffer).getBigUint64(0);
    if (value > 2n ** 53n) throw error("certificate.invalid");
    return Number(value);
  }

  private length(): number {
    const [first = 0] = this.take(1);
    if (first < 0x40) return first;
    const [second = 0] = this.take(1);
    const length = ((first & 0x3f) << 8) | second;
    if (first >= 0x80 || length < 0x40) throw error("certificate.invalid");
    return length;
  }
}
