/**
 * Destroy everything, by order, and leave a tombstone: that it happened, and the signed receipt.
 *
 * It begins by writing down that it began, so that whoever starts the phone after a kill goes on with it; what
 * opens the store goes first, so that from then on only rubbish is left to clear. The receipt is signed when
 * nothing but the signing key is left (docs/protocol.md section 12.3). Whether an order holds is not asked
 * here: the caller has verified it.
 */

import { encode } from "@msgpack/msgpack";
import type { IDBPDatabase } from "idb";
import type { Bytes } from "../wire/bytes";
import type { SignedReceipt } from "../wire/orders";
import { bodyBytes } from "../wire/signing";
import { FILES } from "./cabinet";
import { deleteDatabase, openDatabase, storageFailure, whole } from "./database";
import { Entry, type StoredEntry } from "./keystore";
import { SHELF } from "./shelf";
import { STORE } from "./store";

export const TOMBSTONE = "chappe-erased";
const KEPT = "kept";
const STONE = "tombstone";
const RECEIPT_CONTEXT = "chappe receipt v1";

/** What the tombstone says. Nothing in it is a secret but the signing key, until it has signed. */
export interface Tombstone {
  /** `begun`: cut off; go on with `resume`. */
  state: "begun" | "erased";
  /** The order's id and the device's, 16 bytes each. */
  order: Bytes;
  device: Bytes;
  /** Unix seconds. */
  at: number;
  /** What the order gave as its reason. */
  reason: string;
  /** Where the receipt goes. */
  host: string;
  port: number;
  pin: Bytes | null;
  receipt: SignedReceipt | null;
  delivered: boolean;
  /** Signs the receipt, and is gone with that. */
  signer: StoredEntry | null;
}

export type Order = Pick<Tombstone, "order" | "device" | "at" | "reason" | "host" | "port" | "pin">;

/** What a browser keeps beside databases; all of this origin's. Given, so that a test can look. */
export interface Premises {
  databases(): Promise<string[]>;
  folders(): Promise<void>;
  caches(): Promise<void>;
  workers(): Promise<void>;
}

/**
 * `entry`: of the vault that holds; null where no PIN was ever set, and then there is no receipt. Close store, keeping and files before. What cannot be destroyed now is
 * tried again by `resume`: the promise then fails with storage.locked or storage.failed, and the state stays
 * `begun`, the keys gone already.
 */
export async function erase(
  order: Order,
  entry: Entry | null,
  premises: Premises = BROWSER,
): Promise<Tombstone> {
  const begun: Tombstone = {
    ...order,
    state: "begun",
    receipt: null,
    delivered: false,
    // Without `r`: what it sealed is not to open again.
    signer: entry && { ...entry.stored, r: new Uint8Array(0) },
  };
  await write(begun);
  return goOn(begun, premises);
}

/** Go on with what was cut off; null where nothing was begun. */
export async function resume(premises: Premises = BROWSER): Promise<Tombstone | null> {
  const stone = await tombstone();
  return stone?.state === "begun" ? goOn(stone, premises) : stone;
}

async function goOn(stone: Tombstone, premises: Premises): Promise<Tombstone> {
  await deleteDatabase(SHELF);
  await deleteDatabase(STORE);
  const left = (await premises.databases()).filter((name) => name !== TOMBSTONE);
  for (const name of new Set([...left, FILES])) await deleteDatabase(name);
  await premises.folders();
  await premises.caches();
  const receipt = await receiptOf(stone);
  const erased: Tombstone = { ...stone, state: "erased", receipt, signer: null };
  await write(erased);
  await premises.workers();
  return erased;
}

async function receiptOf({ order, device, at, signer }: Tombstone): Promise<SignedReceipt | null> {
  if (!signer) return null;
  const body = new Uint8Array(encode({ version: 1, order, device, outcome: "erased", at }));
  const signature = await new Entry(signer).sign(bodyBytes(RECEIPT_CONTEXT, body));
  return { body, key: "unlock", signature };
}

/** The relay has taken the receipt. Anybody may carry it there (docs/protocol.md section 12.5). */
export async function delivered(): Promise<void> {
  const stone = await tombstone();
  if (stone) await write({ ...stone, delivered: true });
}

/** What is left of an erased profile; null where none was. Raises storage.failed. */
export async function tombstone(): Promise<Tombstone | null> {
  return withStone(async (database) => ((await database.get(KEPT, STONE)) as Tombstone) ?? null);
}

/** Before a new line begins here. */
export async function forget(): Promise<void> {
  await deleteDatabase(TOMBSTONE);
}

function write(stone: Tombstone): Promise<void> {
  return withStone((database) => whole(database, KEPT, async (kept) => kept.put(stone, STONE)));
}

async function withStone<T>(work: (database: IDBPDatabase) => Promise<T>): Promise<T> {
  const database = await openDatabase(TOMBSTONE, [KEPT]);
  try {
    return await work(database);
  } catch (problem) {
    throw storageFailure(problem);
  } finally {
    database.close();
  }
}

export const BROWSER: Premises = {
  async databases() {
    // Older Firefox cannot tell; the names that Chappe itself uses are deleted in any case.
    const found = (await indexedDB.databases?.()) ?? [];
    return found.flatMap(({ name }) => (name ? [name] : []));
  },

  async folders() {
    const root = await globalThis.navigator?.storage?.getDirectory?.().catch(() => null);
    if (!root) return;
    const names: string[] = [];
    try {
      for await (const name of root.keys()) names.push(name);
      for (const name of names) await root.removeEntry(name, { recursive: true });
    } catch (problem) {
      // A file that is open still, in this worker or another tab.
      throw storageFailure(problem);
    }
  },

  async caches() {
    if (!globalThis.caches) return;
    for (const name of await caches.keys()) await caches.delete(name);
  },

  /** With them goes the subscription to pushes. */
  async workers() {
    const container = globalThis.navigator?.serviceWorker;
    const found = (await container?.getRegistrations?.()) ?? [];
    await Promise.all(found.map((one) => one.unregister()));
  },
};
