/** EncryptWithLabel outside of a group (RFC 9420 section 5.1.3), with the suite's X-Wing: for linking devices. */

import { concat, opaque, Reader } from "./bytes";
import { suite } from "./engine";
import { invalid } from "./errors";

export interface SealingKeys {
  privateKey: Uint8Array;
  publicKey: Uint8Array;
}

const info = (label: string, context: Uint8Array): Uint8Array =>
  concat(opaque(new TextEncoder().encode(`MLS 1.0 ${label}`)), opaque(context));

export async function generateSealingKeys(): Promise<SealingKeys> {
  const { hpke } = await suite();
  const pair = await hpke.generateKeyPair();
  return {
    privateKey: await hpke.exportPrivateKey(pair.privateKey),
    publicKey: await hpke.exportPublicKey(pair.publicKey),
  };
}

/** An HPKECiphertext: the KEM's output, then the ciphertext. Throws an `invalid` fault for no key. */
export async function sealWithLabel(
  publicKey: Uint8Array,
  label: string,
  context: Uint8Array,
  plain: Uint8Array,
): Promise<Uint8Array> {
  const { hpke } = await suite();
  try {
    const key = await hpke.importPublicKey(publicKey);
    const { enc, ct } = await hpke.seal(key, plain, info(label, context), new Uint8Array());
    return concat(opaque(enc), opaque(ct));
  } catch {
    throw invalid("not a public key");
  }
}

/** Throws an `invalid` or `malformed` fault. */
export async function openWithLabel(
  privateKey: Uint8Array,
  label: string,
  context: Uint8Array,
  sealed: Uint8Array,
): Promise<Uint8Array> {
  const reader = new Reader(sealed);
  const [enc, ct] = [reader.opaque(), reader.opaque()];
  if (!reader.empty) throw invalid("more than a ciphertext");
  const { hpke } = await suite();
  try {
    const key = await hpke.importPrivateKey(privateKey);
    return await hpke.open(key, enc, ct, info(label, context));
  } catch {
    throw invalid("does not open");
  }
}
