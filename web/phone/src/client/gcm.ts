/**
 * AES-256-GCM over a stream: NIST SP 800-38D, with a nonce of 12 bytes and no associated data. Web Crypto has GCM in
 * one piece only, which would hold a whole film in memory; it has CTR, and GHASH is @noble/ciphers'. Tests compare
 * what comes out with Web Crypto's own GCM and with Python's.
 */

import { GHASH } from "@noble/ciphers/_polyval.js";
import type { Bytes } from "../wire/bytes";

export const TAG = 16;
export const BLOCK = 16;
/** Most that one key and nonce encrypt, in bytes (SP 800-38D section 5.2.1.1). */
export const MOST = 2 ** 36 - 32;
const FIRST_BLOCK = 2;

/** One message. Pieces come in order; all but the last are whole blocks. */
export class GcmStream {
  private length = 0;
  private readonly ghash: GHASH;

  private constructor(
    private readonly key: CryptoKey,
    private readonly nonce: Uint8Array,
    private readonly mask: Uint8Array,
    hashKey: Uint8Array,
  ) {
    // The expected length picks the size of its table: the largest.
    this.ghash = new GHASH(hashKey, 2 ** 20);
  }

  /** `key`: 32 bytes; `nonce`: 12. */
  static async start(key: Bytes, nonce: Bytes): Promise<GcmStream> {
    if (key.length !== 32 || nonce.length !== 12)
      throw new TypeError("AES-256-GCM: 32 and 12 bytes");
    const cipher = await crypto.subtle.importKey("raw", key, "AES-CTR", false, ["encrypt"]);
    const zeros = new Uint8Array(BLOCK);
    const hashKey = await counter(cipher, zeros, zeros);
    const mask = await counter(cipher, block(nonce, 1), zeros);
    return new GcmStream(cipher, nonce, mask, hashKey);
  }

  async encrypt(piece: Bytes): Promise<Bytes> {
    const sealed = await this.apply(piece);
    this.ghash.update(sealed);
    return sealed;
  }

  /** What comes out is not to be used before `tag` was compared. */
  async decrypt(piece: Bytes): Promise<Bytes> {
    this.ghash.update(piece);
    return this.apply(piece);
  }

  /** Of all pieces, when they are through. */
  tag(): Bytes {
    const lengths = new DataView(new ArrayBuffer(BLOCK));
    lengths.setBigUint64(8, BigInt(this.length) * 8n);
    this.ghash.update(new Uint8Array(lengths.buffer));
    return new Uint8Array(this.ghash.digest().map((byte, at) => byte ^ (this.mask[at] ?? 0)));
  }

  private async apply(piece: Bytes): Promise<Bytes> {
    if (this.length % BLOCK !== 0) throw new RangeError("a piece after one that was not whole");
    const start = FIRST_BLOCK + this.length / BLOCK;
    this.length += piece.length;
    if (this.length > MOST) throw new RangeError("too long for one nonce");
    return counter(this.key, block(this.nonce, start), piece);
  }
}

/**
 * The ciphertext of a piece that begins at byte `at`, which is a whole number of blocks; without a tag. For a
 * message that was encrypted before: with another one, its nonce would be used twice.
 */
export async function counted(key: Bytes, nonce: Bytes, at: number, piece: Bytes): Promise<Bytes> {
  if (at % BLOCK !== 0 || at + piece.length > MOST) throw new RangeError("no place in a message");
  const cipher = await crypto.subtle.importKey("raw", key, "AES-CTR", false, ["encrypt"]);
  return counter(cipher, block(nonce, FIRST_BLOCK + at / BLOCK), piece);
}

function block(nonce: Uint8Array, count: number): Bytes {
  const data = new Uint8Array(BLOCK);
  data.set(nonce);
  new DataView(data.buffer).setUint32(12, count);
  return data;
}

/** CTR from this counter block on; its last 32 bits count. */
async function counter(key: CryptoKey, start: Bytes, data: Bytes): Promise<Bytes> {
  const algorithm = { name: "AES-CTR", counter: start, length: 32 };
  return new Uint8Array(await crypto.subtle.encrypt(algorithm, key, data));
}
