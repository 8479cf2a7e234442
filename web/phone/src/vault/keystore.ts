/**
 * The device's own secrets, for which a browser's nearest thing to a keystore stands: CryptoKeys that no
 * script can read out, in IndexedDB.
 *
 * An entry has a sealing key (AES-256-GCM, never extractable) and, sealed under it, `r`; and the key that
 * signs guesses (Ed25519, never extractable where the browser has it, else its seed sealed as `r` is).
 * What that is worth depends on the browser: a script cannot take the keys away, but the files of Chrome and
 * Firefox hold them as they are. docs/security.md says what follows.
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import { type Bytes, concat, randomBytes, toHex, utf8 } from "../wire/bytes";
import { error } from "../wire/errors";
import { own, wipe } from "./bytes";

const NONCE_BYTES = 12;
const SECRET_BYTES = 32;
export const ENTRY_NAME_BYTES = 8;

/** As IndexedDB keeps it. */
export interface StoredEntry {
  name: Bytes;
  sealing: CryptoKey;
  r: Bytes;
  /** A sealed seed where the browser has no Ed25519 of its own. */
  signing: CryptoKey | Bytes;
  public: Bytes;
}

export class Entry {
  constructor(readonly stored: StoredEntry) {}

  /** A new one: its secrets are made here, and leave only as `r()`. Raises storage.unwritable. */
  static async make(): Promise<Entry> {
    const name = randomBytes(ENTRY_NAME_BYTES);
    const sealing = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, [
      "encrypt",
      "decrypt",
    ]);
    const r = randomBytes(SECRET_BYTES);
    const sealed = await seal(sealing, name, "r", r);
    wipe(r);
    const pair = (await ownPair()) ?? (await sealedPair(sealing, name));
    return new Entry({ name, sealing, r: sealed, ...pair });
  }

  get name(): Bytes {
    return this.stored.name;
  }

  get id(): string {
    return toHex(this.stored.name);
  }

  /** The public half of the key that signs guesses. */
  get public(): Bytes {
    return this.stored.public;
  }

  /** The device's secret; the caller wipes it. Raises storage.failed. */
  r(): Promise<Bytes> {
    return this.open("r", this.stored.r);
  }

  /** A signature by the key that signs guesses. */
  async sign(data: Bytes): Promise<Bytes> {
    const { signing } = this.stored;
    if (!(signing instanceof Uint8Array))
      return new Uint8Array(await crypto.subtle.sign("Ed25519", signing, data));
    const seed = await this.open("seed", signing);
    try {
      return new Uint8Array(ed25519.sign(data, seed));
    } finally {
      wipe(seed);
    }
  }

  /** Small things that belong to this entry, sealed so that nobody changes or exchanges them. */
  seal(what: string, data: Uint8Array): Promise<Bytes> {
    return seal(this.stored.sealing, this.stored.name, what, data);
  }

  /** Raises storage.failed. */
  async open(what: string, sealed: Uint8Array): Promise<Bytes> {
    const bytes = own(sealed);
    const parameters = {
      name: "AES-GCM",
      iv: bytes.subarray(0, NONCE_BYTES),
      additionalData: context(this.stored.name, what),
    };
    try {
      const body = bytes.subarray(NONCE_BYTES);
      return new Uint8Array(await crypto.subtle.decrypt(parameters, this.stored.sealing, body));
    } catch {
      throw error(
        "storage.failed",
        `The vault's record "${what}" is damaged; nothing was changed.`,
      );
    }
  }
}

async function seal(key: CryptoKey, name: Bytes, what: string, data: Uint8Array): Promise<Bytes> {
  const iv = randomBytes(NONCE_BYTES);
  const parameters = { name: "AES-GCM", iv, additionalData: context(name, what) };
  return concat(iv, new Uint8Array(await crypto.subtle.encrypt(parameters, key, own(data))));
}

function context(name: Bytes, what: string): Bytes {
  return concat(utf8("chappe keystore v1"), name, utf8(what));
}

/** The browser's own Ed25519, its private key out of reach; null where it has none. */
async function ownPair(): Promise<Pick<StoredEntry, "signing" | "public"> | null> {
  try {
    const pair = (await crypto.subtle.generateKey("Ed25519", false, ["sign"])) as CryptoKeyPair;
    const raw = await crypto.subtle.exportKey("raw", pair.publicKey);
    return { signing: pair.privateKey, public: new Uint8Array(raw) };
  } catch {
    return null;
  }
}

async function sealedPair(
  sealing: CryptoKey,
  name: Bytes,
): Promise<Pick<StoredEntry, "signing" | "public">> {
  const seed = randomBytes(SECRET_BYTES);
  try {
    const made = new Uint8Array(ed25519.getPublicKey(seed));
    return { signing: await seal(sealing, name, "seed", seed), public: made };
  } finally {
    wipe(seed);
  }
}
