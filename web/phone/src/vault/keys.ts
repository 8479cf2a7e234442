/**
 * From a PIN to keys (docs/protocol.md section 11.1). `r` is the device's secret, `s` the share, `a` the
 * stretched PIN.
 *
 *     a    = Argon2id(PIN as UTF-8, salt = SHA-256("salt" || r), 64 MiB, 3 passes, 1 lane, 32 bytes)
 *     auth = HKDF-SHA256(a || r,      info "auth")      what the share service compares
 *     KEK  = HKDF-SHA256(a || r || s, info "kek")       what wraps the vault key
 *
 * HKDF has no salt. Neither r and the wrapped key without s, nor s and auth without r, tell whether a PIN is
 * right: that takes a try at the service, or both of them.
 */

import { argon2id } from "hash-wasm";
import { type Bytes, concat, randomBytes, utf8 } from "../wire/bytes";
import { own, wipe } from "./bytes";
import { normalise } from "./pins";

export const KEY_BYTES = 32;
const NONCE_BYTES = 12;
export const WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + 16;
export const WRAP_CONTEXT = utf8("chappe vault v1");

/** Of Argon2id. Part of the format: no record names it, so that none can lower it. */
export interface Cost {
  memoryKib: number;
  passes: number;
  lanes: number;
}

export const COST: Cost = { memoryKib: 64 * 1024, passes: 3, lanes: 1 };

/** `a`; takes half a second and 64 MiB. The caller wipes it. */
export async function stretch(pin: string, r: Uint8Array, cost: Cost = COST): Promise<Bytes> {
  const salted = concat(utf8("salt"), r);
  const salt = new Uint8Array(await crypto.subtle.digest("SHA-256", salted));
  const password = utf8(normalise(pin));
  try {
    return own(
      await argon2id({
        password,
        salt,
        iterations: cost.passes,
        parallelism: cost.lanes,
        memorySize: cost.memoryKib,
        hashLength: KEY_BYTES,
        outputType: "binary",
      }),
    );
  } finally {
    wipe(password, salted);
  }
}

export function authOf(a: Uint8Array, r: Uint8Array): Promise<Bytes> {
  return derived(concat(a, r), "auth");
}

export function kekOf(a: Uint8Array, r: Uint8Array, s: Uint8Array): Promise<Bytes> {
  return derived(concat(a, r, s), "kek");
}

export function offlineKeyOf(a: Uint8Array, r: Uint8Array): Promise<Bytes> {
  return derived(concat(a, r), "offline");
}

/** HKDF-SHA256 without a salt, 32 bytes. `secret` is wiped. */
async function derived(secret: Bytes, info: string): Promise<Bytes> {
  try {
    const key = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
    const parameters = {
      name: "HKDF",
      hash: "SHA-256",
      salt: new Uint8Array(0),
      info: utf8(info),
    };
    return new Uint8Array(await crypto.subtle.deriveBits(parameters, key, KEY_BYTES * 8));
  } finally {
    wipe(secret);
  }
}

/** A 32-byte key under another: nonce, then AES-256-GCM. */
export async function wrap(kek: Bytes, key: Uint8Array, context: Bytes): Promise<Bytes> {
  const nonce = randomBytes(NONCE_BYTES);
  const aes = await crypto.subtle.importKey("raw", kek, "AES-GCM", false, ["encrypt"]);
  const parameters = { name: "AES-GCM", iv: nonce, additionalData: context };
  return concat(nonce, new Uint8Array(await crypto.subtle.encrypt(parameters, aes, own(key))));
}

/** The key, or null where this key does not open it. */
export async function unwrap(
  kek: Bytes,
  wrapped: Uint8Array,
  context: Bytes,
): Promise<Bytes | null> {
  const bytes = own(wrapped);
  const aes = await crypto.subtle.importKey("raw", kek, "AES-GCM", false, ["decrypt"]);
  const iv = bytes.subarray(0, NONCE_BYTES);
  const parameters = { name: "AES-GCM", iv, additionalData: context };
  try {
    return new Uint8Array(
      await crypto.subtle.decrypt(parameters, aes, bytes.subarray(NONCE_BYTES)),
    );
  } catch {
    return null;
  }
}
