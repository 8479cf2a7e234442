/**
 * A record at rest: its key says nothing, its value is sealed to its place.
 *
 *     key    table tag (8) || row tag (16) || number (8)      HMAC-SHA256 under a derived key, cut
 *     value  nonce (12) || AES-256-GCM(batch (8) || length (4) || MessagePack || zeros to 64)
 *     aad    "chappe record v1" || key
 *
 * Who reads the database sees how many tables and rows there are, which rows are of one table, the numbers
 * of what is numbered, and sizes in steps of 64 bytes. Who writes to it cannot move a record, or change one.
 */

import { decode, encode } from "@msgpack/msgpack";
import { type Bytes, bigEndian, concat, lengthPrefixed, randomBytes, utf8 } from "../wire/bytes";
import { error } from "../wire/errors";
import { own } from "./bytes";

export const KEY_BYTES = 32;
export const ROW_BYTES = 24;
export const PLACE_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 12;
const STEP = 64;
const CONTEXT = utf8("chappe record v1");
/** Tags are made again and again for the same few rows; this many are remembered while the store is open. */
const REMEMBERED = 4096;

/** Names a row in a table. A text and bytes are never the same row. */
export type Name = string | Uint8Array;

export interface Opened {
  /** The batch that wrote it. */
  batch: number;
  value: unknown;
}

/** The typed error for a record that is not what was written there. */
export function damaged(what = "A record of the store"): Error {
  return error("storage.failed", `${what} is damaged; nothing was changed.`);
}

export class Records {
  #tags = new Map<string, Bytes>();
  #keys: { sealing: CryptoKey; naming: CryptoKey } | null;

  private constructor(sealing: CryptoKey, naming: CryptoKey) {
    this.#keys = { sealing, naming };
  }

  /** From the vault key, which the caller may overwrite after. The keys made here cannot be read back. */
  static async under(vaultKey: Uint8Array): Promise<Records> {
    const root = await crypto.subtle.importKey("raw", own(vaultKey), "HKDF", false, ["deriveKey"]);
    const made = (info: string, algorithm: AesKeyAlgorithm | HmacKeyGenParams, use: KeyUsage[]) =>
      crypto.subtle.deriveKey(
        { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: utf8(info) },
        root,
        algorithm,
        false,
        use,
      );
    const hmac = { name: "HMAC", hash: "SHA-256", length: 256 };
    const [sealing, naming] = await Promise.all([
      made("chappe store records v1", { name: "AES-GCM", length: 256 }, ["encrypt", "decrypt"]),
      made("chappe store names v1", hmac, ["sign"]),
    ]);
    return new Records(sealing, naming);
  }

  /** From here on nothing opens, and nothing here refers to a key. */
  forget(): void {
    this.#keys = null;
    this.#tags.clear();
  }

  get #open(): { sealing: CryptoKey; naming: CryptoKey } {
    if (!this.#keys) throw error("vault.locked");
    return this.#keys;
  }

  /** HMAC-SHA256 under the key for names, whole. */
  async tag(...parts: Uint8Array[]): Promise<Bytes> {
    return new Uint8Array(
      await crypto.subtle.sign("HMAC", this.#open.naming, lengthPrefixed(...parts)),
    );
  }

  /** The first bytes of every key in the table. */
  table(table: string): Promise<Bytes> {
    return this.#remembered(`${table}\0`, async () =>
      (await this.tag(utf8("table"), utf8(table))).slice(0, 8),
    );
  }

  /** The first bytes of every key of the row: the table's tag and its own. */
  row(table: string, name: Name): Promise<Bytes> {
    const bytes = typeof name === "string" ? utf8(name) : name;
    const kind = typeof name === "string" ? "text" : "bytes";
    const known = `${table}\0${kind}\0${String.fromCharCode(...bytes)}`;
    return this.#remembered(known, async () => {
      const tag = await this.tag(utf8("row"), utf8(table), utf8(kind), bytes);
      return concat(await this.table(table), tag.subarray(0, 16));
    });
  }

  async place(table: string, name: Name, number: number): Promise<Bytes> {
    return concat(await this.row(table, name), bigEndian(number, 8));
  }

  async seal(place: Bytes, batch: number, value: unknown): Promise<Bytes> {
    const packed = encode(value, { ignoreUndefined: true });
    const length = HEADER_BYTES + packed.length;
    const plain = new Uint8Array(Math.ceil(length / STEP) * STEP);
    plain.set(concat(bigEndian(batch, 8), bigEndian(packed.length, 4), packed));
    const nonce = randomBytes(NONCE_BYTES);
    const sealed = await crypto.subtle.encrypt(
      this.#parameters(place, nonce),
      this.#open.sealing,
      plain,
    );
    plain.fill(0);
    return concat(nonce, new Uint8Array(sealed));
  }

  /** Raises storage.failed for what was not sealed for this place. */
  async open(place: Bytes, sealed: unknown): Promise<Opened> {
    if (!(sealed instanceof Uint8Array) || sealed.length < NONCE_BYTES + TAG_BYTES + STEP)
      throw damaged();
    const bytes = own(sealed);
    const parameters = this.#parameters(place, bytes.subarray(0, NONCE_BYTES));
    const { sealing } = this.#open;
    let plain: Bytes;
    try {
      plain = new Uint8Array(
        await crypto.subtle.decrypt(parameters, sealing, bytes.subarray(NONCE_BYTES)),
      );
    } catch {
      throw damaged();
    }
    const view = new DataView(plain.buffer);
    const end = HEADER_BYTES + view.getUint32(8);
    // What `decode` gives of bytes is a view: it is copied, so that the whole record does not stay with it.
    const value = decode(plain.slice(HEADER_BYTES, end));
    return { batch: Number(view.getBigUint64(0)), value };
  }

  #parameters(place: Bytes, nonce: Bytes): AesGcmParams {
    return { name: "AES-GCM", iv: nonce, additionalData: concat(CONTEXT, place) };
  }

  async #remembered(known: string, make: () => Promise<Bytes>): Promise<Bytes> {
    const found = this.#tags.get(known);
    if (found) return found;
    const made = await make();
    if (this.#tags.size >= REMEMBERED) this.#tags.clear();
    this.#tags.set(known, made);
    return made;
  }
}
