/**
 * What is sealed to an organisation's officers, opened by the fleet's sealing key: the registers of devices
 * (docs/protocol.md section 12.4). Officers open it in the console; a phone has no such key.
 */

import { Aes256Gcm, CipherSuite, HkdfSha512, type RecipientContextParams } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";
import { decode as unpack } from "@msgpack/msgpack";
import { x25519 } from "@noble/curves/ed25519.js";
import { sha3_256 } from "@noble/hashes/sha3.js";
import { combineKEMS, ecdhKem } from "@noble/post-quantum/hybrid.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { type Bytes, concat, utf8 } from "./bytes";
import { error } from "./errors";
import { MAX_WATCHED } from "./frames";
import { walkMessagePack } from "./heads";
import type { Membership } from "./registers";
import { bytes, int } from "./shape";

/** 64 bytes of ML-KEM-768 seed, then 32 of X25519: what the 32 bytes of the draft's key expand to. */
export const PRIVATE_KEY_BYTES = 96;
const ENC_BYTES = 1120;
const REGISTER_CONTEXT = "chappe register v1";

/** X-Wing of draft-connolly-cfrg-xwing-kem, its combiner as section 5.3 has it, with a seed that is expanded already. */
const expanded = combineKEMS(
  PRIVATE_KEY_BYTES,
  32,
  (seed) => seed,
  (keys, texts, secrets) =>
    sha3_256(
      concat(
        ...[secrets[0], secrets[1], texts[1], keys[1]].map((one) => one ?? new Uint8Array()),
        utf8("\\.//^\\"),
      ),
    ),
  ml_kem768,
  ecdhKem(x25519),
);

/** HPKE's X-Wing, for such a key. */
class Expanded extends XWing {
  override readonly privateKeySize = PRIVATE_KEY_BYTES;

  override async decap({ enc, recipientKey }: RecipientContextParams): Promise<ArrayBuffer> {
    const key = "privateKey" in recipientKey ? recipientKey.privateKey : recipientKey;
    const secret = new Uint8Array(await this.serializePrivateKey(key));
    const text = ArrayBuffer.isView(enc)
      ? new Uint8Array(enc.buffer, enc.byteOffset, enc.byteLength)
      : new Uint8Array(enc);
    return new Uint8Array(expanded.decapsulate(text, secret)).buffer;
  }
}

/** The public half of such a key: 1,216 bytes. */
export function sealingPublic(key: Uint8Array): Bytes {
  return new Uint8Array(expanded.getPublicKey(key));
}

/** What `sealTo` sealed. Throws HpkeError, or noble's, for what does not open. */
export async function openSealed(key: Uint8Array, context: Bytes, sealed: Bytes): Promise<Bytes> {
  const kem = new Expanded();
  const suite = new CipherSuite({ kem, kdf: new HkdfSha512(), aead: new Aes256Gcm() });
  // A copy: the key that is imported holds the memory that it was given.
  const recipientKey = await kem.deserializePrivateKey(new Uint8Array(key));
  const enc = sealed.slice(0, ENC_BYTES);
  return new Uint8Array(
    await suite.open({ recipientKey, enc, info: context }, sealed.slice(ENC_BYTES)),
  );
}

const group = bytes(16, 32);
const leaf = int(0, 2 ** 32 - 1);
const sender = int(0, 2 ** 16 - 1);

/** Throws roster.invalid for what does not open or cannot be read. */
export async function openRegister(
  key: Uint8Array,
  device: Uint8Array,
  sealed: Bytes,
): Promise<Membership[]> {
  try {
    const padded = await openSealed(key, concat(utf8(REGISTER_CONTEXT), device), sealed);
    const length = new DataView(padded.buffer).getUint32(0);
    if (length > padded.length - 4) throw error("roster.invalid");
    const encoded = padded.slice(4, 4 + length);
    walkMessagePack(encoded);
    const [places, ...more] = unpack(encoded) as unknown[];
    if (!Array.isArray(places) || places.length > MAX_WATCHED || more.length > 0)
      throw error("roster.invalid");
    return places.map((place: unknown) => {
      if (!Array.isArray(place) || place.length !== 3) throw error("roster.invalid");
      return { group: group(place[0]), leaf: leaf(place[1]), sender: sender(place[2]) };
    });
  } catch {
    throw error("roster.invalid");
  }
}
