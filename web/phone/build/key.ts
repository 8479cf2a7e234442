/** The release key: Ed25519, outside every commit. What it signs, and nothing else, the service worker takes. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Bytes before the manifest in what is signed, so that the signature fits nothing else. */
export const CONTEXT = "chappe release v1\0";

export interface ReleaseKey {
  /** The 32 bytes that the service worker pins, as hex. */
  pinned: string;
  sign(manifest: Uint8Array): Uint8Array;
}

/**
 * The key in `RELEASE_KEY` (a PEM file), or the one of this checkout, made on first use. A release that others
 * install is signed with a key that is kept elsewhere; a build from source is its own release.
 */
export function releaseKey(root: string, given = process.env.RELEASE_KEY): ReleaseKey {
  const file = given ?? join(root, ".release", "key.pem");
  if (!given && !existsSync(file)) make(file);
  const key = createPrivateKey(readFileSync(file, "utf8"));
  if (key.asymmetricKeyType !== "ed25519") throw new Error("the release key is not Ed25519");
  return {
    pinned: Array.from(rawPublic(key), (byte) => byte.toString(16).padStart(2, "0")).join(""),
    sign: (manifest) => sign(null, withContext(manifest), key),
  };
}

function withContext(manifest: Uint8Array): Uint8Array {
  const context = new TextEncoder().encode(CONTEXT);
  const whole = new Uint8Array(context.length + manifest.length);
  whole.set(context);
  whole.set(manifest, context.length);
  return whole;
}

function make(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const { privateKey } = generateKeyPairSync("ed25519");
  writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }), {
    mode: 0o600,
    flag: "wx",
  });
}

/** RFC 8410: the key is the last 32 bytes of its SubjectPublicKeyInfo. */
function rawPublic(key: KeyObject): Uint8Array {
  return createPublicKey(key).export({ type: "spki", format: "der" }).subarray(-32);
}
