/**
 * Unlocking: what a locked phone says to the share service, and what it hears (docs/protocol.md section 11).
 *
 * What the phone says is sealed to the service's key (HPKE, X-Wing): whoever ends the TLS connection learns
 * neither share nor guess.
 */

import { Aes256Gcm, CipherSuite, HkdfSha512 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";
import { encode as pack, decode as unpack } from "@msgpack/msgpack";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, lengthPrefixed, randomBytes, utf8 } from "./bytes";
import { sign } from "./certificate";
import { error } from "./errors";
import { walkMessagePack } from "./heads";
import { bytes, int, nullable, type Of, oneOf, optional, type Shape, struct } from "./shape";

/** Guesses at a PIN; the last wrong one destroys the share. */
export const TRIES = 10;
/** Seconds to wait after the first, second, … wrong guess in a row, before the next is looked at. */
export const WAITS = [0, 0, 0, 60, 300, 900, 3600, 3 * 3600, 8 * 3600];
export const CHALLENGE_SECONDS = 60;
export const PUBLIC_KEY_BYTES = 1216;
const ANSWER_BYTES = 128;
const TAG_BYTES = 16;

const ENROL_CONTEXT = utf8("chappe enrol v1");
const UNLOCK_CONTEXT = utf8("chappe unlock v1");
const SHARE_CONTEXT = utf8("share");

const enrolmentShape = struct({
  device: bytes(16),
  unlock_key: bytes(32),
  auth: bytes(32),
  share: bytes(32),
});
const guessShape = struct({
  device: bytes(16),
  challenge: bytes(32),
  auth: bytes(32),
  answer_key: bytes(32),
  signature: bytes(64),
});
const answerShape = struct({
  status: oneOf("open", "wrong", "wait", "gone"),
  share: optional(nullable(bytes(32)), null),
  tries: optional(int(0, TRIES), 0),
  wait: optional(int(0, 2 ** 31), 0),
});

/** What the service keeps of a device: the key that signs guesses, what proves a right one, the share. */
export type Enrolment = Of<typeof enrolmentShape>;
/** One try. `answer_key` opens its answer, and must not be used for another. */
export type Guess = Of<typeof guessShape>;
/** What came of a guess: docs/protocol.md section 11.2. */
export type Answer = Of<typeof answerShape>;

/** For the service with that public key. Throws unlock.malformed for a key that is none. */
export function sealEnrolment(service: Uint8Array, enrolment: Enrolment): Promise<Bytes> {
  return seal(service, ENROL_CONTEXT, enrolmentShape, enrolment);
}

/** As `sealEnrolment`. */
export function sealGuess(service: Uint8Array, guess: Guess): Promise<Bytes> {
  return seal(service, UNLOCK_CONTEXT, guessShape, guess);
}

/** A signed guess with a fresh answer key; `unlockKey`: 32 private bytes. */
export function makeGuess(
  unlockKey: Uint8Array,
  device: Bytes,
  challenge: Bytes,
  auth: Bytes,
): Guess {
  const answerKey = randomBytes(32);
  const signature = sign(unlockKey, guessBytes(device, challenge, auth, answerKey));
  return { device, challenge, auth, answer_key: answerKey, signature };
}

/** What the unlock key signs. */
export function guessBytes(
  device: Uint8Array,
  challenge: Uint8Array,
  auth: Uint8Array,
  answerKey: Uint8Array,
): Bytes {
  return lengthPrefixed(UNLOCK_CONTEXT, device, challenge, auth, answerKey);
}

/** The service's answer. Throws unlock.malformed. */
export async function openAnswer(answerKey: Bytes, sealed: Bytes): Promise<Answer> {
  if (sealed.length !== ANSWER_BYTES + TAG_BYTES) throw error("unlock.malformed");
  const algorithm = { name: "AES-GCM", iv: new Uint8Array(12), additionalData: UNLOCK_CONTEXT };
  try {
    const key = await crypto.subtle.importKey("raw", answerKey, "AES-GCM", false, ["decrypt"]);
    const padded = new Uint8Array(await crypto.subtle.decrypt(algorithm, key, sealed));
    const length = new DataView(padded.buffer).getUint16(0);
    const answer = padded.subarray(2, 2 + length);
    walkMessagePack(answer);
    return answerShape(unpack(answer));
  } catch {
    throw error("unlock.malformed");
  }
}

/** What the phone keeps of its share: enough to know it, and nothing a PIN can be checked against. */
export function shareCommitment(device: Uint8Array, share: Uint8Array): Bytes {
  return new Uint8Array(sha256(concat(SHARE_CONTEXT, device, share)));
}

/** HPKE to an X-Wing public key, `context` as its info. Throws TypeError or HpkeError for a key that is none. */
export async function sealTo(key: Uint8Array, context: Bytes, plain: Bytes): Promise<Bytes> {
  if (key.length !== PUBLIC_KEY_BYTES) throw new TypeError("an X-Wing key has 1216 bytes");
  const kem = new XWing();
  const suite = new CipherSuite({ kem, kdf: new HkdfSha512(), aead: new Aes256Gcm() });
  const recipientPublicKey = await kem.deserializePublicKey(new Uint8Array(key));
  const { enc, ct } = await suite.seal({ recipientPublicKey, info: context }, plain);
  return concat(new Uint8Array(enc), new Uint8Array(ct));
}

async function seal<T extends object>(
  service: Uint8Array,
  context: Bytes,
  shape: Shape<T>,
  content: T,
): Promise<Bytes> {
  try {
    return await sealTo(service, context, new Uint8Array(pack(shape(content))));
  } catch {
    throw error("unlock.malformed", "The share service's key is no key; do not trust this relay.");
  }
}
