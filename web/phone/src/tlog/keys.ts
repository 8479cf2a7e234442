/**
 * The keys of signed notes: Ed25519 (C2SP signed-note), and cosignatures with Ed25519 or ML-DSA-44 (C2SP
 * tlog-cosignature). As src/chappe/tlog/keys.py; the phone signs nothing here.
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";
import { parseCheckpoint } from "./checkpoints";
import { malformed, TlogError } from "./errors";
import { hash, MAX_SIZE } from "./merkle";
import { type Bytes, concat, fromBase64, toBase64, toHex, u64, utf8 } from "./text";

export const ID_SIZE = 4;
const TIME_SIZE = 8;
const MAX_NAME = 255;

/** The signature type byte of C2SP signed-note. */
export const Kind = { ed25519: 0x01, cosignatureEd25519: 0x04, cosignatureMlDsa44: 0x06 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

const KEY_SIZE: Record<Kind, number> = { 1: 32, 4: 32, 6: 1312 };
const SIGNATURE_SIZE: Record<Kind, number> = { 1: 64, 4: 64, 6: 2420 };
/** Unicode's White_Space above the control characters, as Python and Go know it. */
const SPACE = /[\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

/** `name` if a key may have it, else `tlog.malformed`. */
export function checkName(name: string): string {
  if (name === "" || SPACE.test(name) || [...name].some((char) => char === "+" || char < " "))
    throw malformed("a key name is not empty and has no spaces, plus or control characters");
  return name;
}

/** A public key with the name and the kind of signature that it is trusted for. */
export class VerifierKey {
  readonly name: string;
  readonly kind: Kind;
  readonly public: Uint8Array;
  /** SHA-256(name ‖ newline ‖ kind ‖ public key), the first 4 bytes. */
  readonly id: Bytes;

  constructor(name: string, kind: Kind, key: Uint8Array) {
    if (utf8(checkName(name)).length > MAX_NAME)
      throw malformed("a key name has at most 255 bytes");
    if (key.length !== KEY_SIZE[kind])
      throw malformed("the public key has not the length of its kind");
    this.name = name;
    this.kind = kind;
    this.public = key;
    this.id = hash(utf8(`${name}\n`), Uint8Array.of(kind), key).slice(0, ID_SIZE);
  }

  /** The vkey: name, id in hexadecimal, and base64 of kind and public key, with plus between. */
  toString(): string {
    return `${this.name}+${toHex(this.id)}+${toBase64(concat(Uint8Array.of(this.kind), this.public))}`;
  }

  /** The key that a vkey names; `tlog.malformed`, also if the id is not the key's own. */
  static parse(text: string): VerifierKey {
    const [name = "", , ...rest] = text.split("+");
    const data = fromBase64(rest.join("+"));
    const kind = Object.values(Kind).find((each) => each === data[0]);
    if (kind === undefined) throw malformed("a vkey of a kind that is not used here");
    const key = new VerifierKey(name, kind, data.slice(1));
    if (key.toString() !== text)
      throw malformed("the id in a vkey is not that of its name and key");
    return key;
  }

  /**
   * The time, in seconds since 1970, that the signature over a note's text says; null for a plain one.
   * `tlog.wrong_signature` if it does not hold, `tlog.malformed` if a cosignature is not of a checkpoint.
   */
  verify(text: string, signature: Uint8Array): bigint | null {
    const timed = this.kind !== Kind.ed25519;
    const bare = timed ? signature.slice(TIME_SIZE) : signature;
    if (bare.length !== SIGNATURE_SIZE[this.kind])
      throw new TlogError("tlog.wrong_signature", "a signature has not the form of its kind");
    const at = timed ? new DataView(signature.buffer, signature.byteOffset).getBigUint64(0) : null;
    if (at !== null && at > MAX_SIZE)
      throw new TlogError("tlog.wrong_signature", "a signature has not the form of its kind");
    if (!this.holds(bare, signedMessage(this, text, at)))
      throw new TlogError("tlog.wrong_signature", "a signature by a known key does not hold");
    return at;
  }

  private holds(signature: Uint8Array, message: Uint8Array): boolean {
    try {
      return this.kind === Kind.cosignatureMlDsa44
        ? ml_dsa44.verify(signature, message, this.public)
        : ed25519.verify(signature, message, this.public, { zip215: false });
    } catch {
      // The libraries throw for a point or a number that cannot be one: then nothing holds.
      return false;
    }
  }
}

/** The bytes that a signature of this key's kind is over. */
function signedMessage(key: VerifierKey, text: string, at: bigint | null): Bytes {
  if (at === null) return utf8(text);
  const { origin, size, root } = parseCheckpoint(text);
  if (key.kind === Kind.cosignatureEd25519) return utf8(`cosignature/v1\ntime ${at}\n${text}`);
  return cosignedMessage(key.name, at, origin, 0n, size, root);
}

/** `cosigned_message` of tlog-cosignature: over the leaves [start, end) with the head `head`. */
export function cosignedMessage(
  name: string,
  at: bigint,
  origin: string,
  start: bigint,
  end: bigint,
  head: Uint8Array,
): Bytes {
  const [cosigner, log] = [utf8(name), utf8(origin)];
  if ([cosigner, log].some((each) => each.length < 1 || each.length > MAX_NAME))
    throw malformed("the name of a cosigned log is 1 to 255 bytes");
  return concat(
    utf8("subtree/v1\n\0"),
    Uint8Array.of(cosigner.length),
    cosigner,
    u64(at),
    Uint8Array.of(log.length),
    log,
    u64(start),
    u64(end),
    head,
  );
}
