/** IndexedDB with typed errors: what can go wrong with a browser's store, in words for people. */

import { deleteDB, type IDBPDatabase, openDB } from "idb";
import { ChappeError, error } from "../wire/errors";

/** How long another tab may take to let go of the database. */
const PATIENCE_MS = 5000;

export interface Watch {
  /** The database was taken away: site data cleared, or another tab erases it. */
  lost(): void;
}

/** Raises storage.locked, storage.full, storage.failed. */
export async function openDatabase(
  name: string,
  stores: readonly string[],
  watch: Watch = { lost() {} },
): Promise<IDBPDatabase> {
  let blocked: () => void = () => {};
  const held = new Promise<never>((_, refuse) => {
    blocked = () => {
      setTimeout(() => refuse(error("storage.locked", IN_ANOTHER_TAB)), PATIENCE_MS);
    };
  });
  const opening = openDB(name, 1, {
    upgrade(database) {
      for (const store of stores) database.createObjectStore(store);
    },
    blocked: () => blocked(),
    // Another tab deletes the database, or brings a newer form of it: it goes first.
    blocking(_current, _wanted, event) {
      (event.target as IDBDatabase).close();
      watch.lost();
    },
    terminated: () => watch.lost(),
  });
  try {
    return await Promise.race([opening, held]);
  } catch (problem) {
    throw storageFailure(problem);
  }
}

const IN_ANOTHER_TAB = "Chappe is open in another tab; close it there first.";

/** Deletes a database, whether or not it is there. Raises storage.locked where another tab holds it. */
export async function deleteDatabase(name: string): Promise<void> {
  let refused: (problem: Error) => void = () => {};
  const held = new Promise<never>((_, refuse) => {
    refused = refuse;
  });
  const deleting = deleteDB(name, {
    blocked: () => {
      setTimeout(() => refused(error("storage.locked", IN_ANOTHER_TAB)), PATIENCE_MS);
    },
  });
  try {
    await Promise.race([deleting, held]);
  } catch (problem) {
    throw storageFailure(problem);
  }
}

/** What a transaction is asked to do; it waits for the answers itself. */
export interface Writer {
  get(key: IDBValidKey): Promise<unknown>;
  put(value: unknown, key: IDBValidKey): void;
  delete(key: IDBValidKey): void;
}

/**
 * One transaction on one object store, durable once this returns; if anything in it fails, nothing of it
 * stays. `write` MUST await nothing but `get`, or the transaction ends under it. Raises storage.*, and what
 * `write` throws.
 */
export async function whole(
  database: IDBPDatabase,
  name: string,
  write: (writer: Writer) => Promise<void>,
): Promise<void> {
  let abort = () => {};
  const requests: Promise<unknown>[] = [];
  try {
    const transaction = database.transaction(name, "readwrite", { durability: "strict" });
    abort = () => transaction.abort();
    const { store } = transaction;
    requests.push(transaction.done);
    await write({
      get: (key) => store.get(key),
      put: (value, key) => void requests.push(store.put(value, key)),
      delete: (key) => void requests.push(store.delete(key)),
    });
    await Promise.all(requests);
  } catch (problem) {
    try {
      abort();
    } catch {
      // It has ended by itself: the request that failed took it along.
    }
    await Promise.allSettled(requests);
    throw storageFailure(problem);
  }
}

/** The typed error for what the browser said; its text is left out, it may hold keys or values. */
export function storageFailure(problem: unknown): Error {
  if (problem instanceof ChappeError) return problem;
  const name = problem instanceof Error || problem instanceof DOMException ? problem.name : "";
  if (name === "QuotaExceededError") return error("storage.full");
  if (name === "SecurityError" || name === "NotAllowedError")
    return error("storage.unwritable", "This browser keeps nothing here: leave private browsing.");
  if (name === "DataCloneError")
    return error(
      "storage.unwritable",
      "This browser keeps no keys here: switch its lockdown mode off for Chappe.",
    );
  if (name === "InvalidStateError")
    return error("storage.failed", "The browser has closed the store; open Chappe again.");
  return error("storage.failed");
}
