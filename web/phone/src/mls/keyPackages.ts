/** Key packages: what lets others add this device (RFC 9420 section 10). */

import {
  type CustomExtension,
  decode,
  encode,
  generateKeyPackageWithKey,
  type KeyPackage,
  keyPackageDecoder,
  keyPackageEncoder,
  leafNodeSources,
  makeCustomExtension,
  makeKeyPackageRef,
  protocolVersions,
  wireformats,
} from "ts-mls";
import { concat, opaque, Reader } from "./bytes";
import { basic, capabilities, LAST_RESORT, MAX_LEAF_LIFETIME, run, SUITE, suite } from "./engine";
import { invalid, malformed } from "./errors";
import { parseMessage, write } from "./messages";

/** An Ed25519 key pair: 32 bytes each. */
export interface Signer {
  privateKey: Uint8Array;
  publicKey: Uint8Array;
}

/** A key package with its private keys: kept until the Welcome comes, then deleted. */
export interface Bundle {
  ref: Uint8Array;
  /** What is published. */
  message: Uint8Array;
  /** Private: for `Group.join`. */
  stored: Uint8Array;
}

/** What somebody else's key package says of its device. */
export interface KeyPackageView {
  identity: Uint8Array;
  signatureKey: Uint8Array;
  lastResort: boolean;
}

/** Times in Unix seconds. */
export async function createKeyPackage(options: {
  signer: Signer;
  identity: Uint8Array;
  notBefore: number;
  notAfter: number;
  lastResort?: boolean;
}): Promise<Bundle> {
  const { signer, identity, notBefore, notAfter, lastResort = false } = options;
  const cipherSuite = await suite();
  const { publicPackage, privatePackage } = await generateKeyPackageWithKey({
    credential: basic(identity),
    capabilities: capabilities(),
    lifetime: { notBefore: BigInt(notBefore), notAfter: BigInt(notAfter) },
    extensions: lastResort ? [lastResortExtension()] : [],
    signatureKeyPair: { signKey: signer.privateKey, publicKey: signer.publicKey },
    cipherSuite,
  });
  const stored = concat(
    opaque(privatePackage.initPrivateKey),
    opaque(privatePackage.hpkePrivateKey),
    opaque(encode(keyPackageEncoder, publicPackage)),
  );
  return {
    ref: await makeKeyPackageRef(publicPackage, cipherSuite.hash),
    message: write({
      version: protocolVersions.mls10,
      wireformat: wireformats.mls_key_package,
      keyPackage: publicPackage,
    }),
    stored,
  };
}

/** ts-mls lets nobody make an extension of a type that it counts as its own; it counts not this one. */
const lastResortExtension = (): CustomExtension =>
  makeCustomExtension({ extensionType: LAST_RESORT, extensionData: new Uint8Array() });

/** A stored bundle taken apart. Throws a `malformed` fault. */
export function readBundle(stored: Uint8Array): {
  initPrivateKey: Uint8Array;
  hpkePrivateKey: Uint8Array;
  keyPackage: KeyPackage;
} {
  const reader = new Reader(stored);
  const [initPrivateKey, hpkePrivateKey] = [reader.opaque(), reader.opaque()];
  const keyPackage = decode(keyPackageDecoder, reader.opaque());
  if (keyPackage === undefined) throw malformed("not a stored key package");
  return { initPrivateKey, hpkePrivateKey, keyPackage };
}

/** The key package in an MLSMessage. Throws a `malformed` fault. */
export function parseKeyPackage(message: Uint8Array): KeyPackage {
  const parsed = parseMessage(message);
  if (parsed.wireformat !== wireformats.mls_key_package) throw malformed("not a key package");
  return parsed.keyPackage;
}

/** Whose it is. Throws a `malformed` fault, or `invalid` for what this client could not add. */
export function viewKeyPackage(message: Uint8Array): KeyPackageView {
  const { leafNode, extensions } = parseKeyPackage(message);
  if (!("identity" in leafNode.credential) || !(leafNode.credential.identity instanceof Uint8Array))
    throw invalid("a credential of another kind");
  return {
    identity: leafNode.credential.identity,
    signatureKey: leafNode.signaturePublicKey,
    lastResort: extensions.some((one) => one.extensionType === LAST_RESORT),
  };
}

/** Whether a key package can be used at `now`: its suite and lifetime. Its signatures are looked at when it is
 * committed. Throws a `malformed` or `invalid` fault. */
export function checkKeyPackage(message: Uint8Array, now: number): void {
  const keyPackage = parseKeyPackage(message);
  if (keyPackage.cipherSuite !== SUITE) throw invalid("a key package of another suite");
  const { leafNode } = keyPackage;
  if (leafNode.leafNodeSource !== leafNodeSources.key_package)
    throw invalid("a leaf of another source");
  checkLifetime(leafNode.lifetime);
  const { notBefore, notAfter } = leafNode.lifetime;
  if (BigInt(now) < notBefore || BigInt(now) > notAfter) throw invalid("outside its lifetime");
}

/** A leaf claims no longer a life than may be (section 7.2). Throws an `invalid` fault. */
export function checkLifetime(lifetime: { notBefore: bigint; notAfter: bigint }): void {
  const length = lifetime.notAfter - lifetime.notBefore;
  if (length < 0n || length > BigInt(MAX_LEAF_LIFETIME)) throw invalid("too long a lifetime");
}

/** A key package whose keys nobody keeps, for the leaf of a founder. */
export async function ownLeaf(
  signer: Signer,
  identity: Uint8Array,
  now: number,
): Promise<Awaited<ReturnType<typeof generateKeyPackageWithKey>>> {
  return run(null, 0, async ({ cipherSuite }) =>
    generateKeyPackageWithKey({
      credential: basic(identity),
      capabilities: capabilities(),
      lifetime: { notBefore: BigInt(now - 24 * 3600), notAfter: BigInt(now + 90 * 24 * 3600) },
      extensions: [],
      signatureKeyPair: { signKey: signer.privateKey, publicKey: signer.publicKey },
      cipherSuite,
    }),
  );
}
