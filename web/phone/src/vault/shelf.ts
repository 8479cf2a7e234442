/**
 * The small database beside the store: the keystore's entries and the records that unlocking needs.
 *
 *     entries   the keystore                              (keystore.ts)
 *     key       the vault key, until a PIN is set         (keeping.ts)
 *     vault     what holds                                (vault.ts)
 *     pending   PINs that are being set, the newest first
 *     offline   a sealed copy of the share                (offline.ts)
 *
 * It is read and replaced whole, in one transaction.
 */

import type { IDBPDatabase } from "idb";
import { error } from "../wire/errors";
import { deleteDatabase, openDatabase, storageFailure, whole } from "./database";
import type { StoredEntry } from "./keystore";
import { exclusive } from "./turns";
import { type Kept, MAX_PENDING } from "./vault";

export const SHELF = "chappe-vault";
const STORE = "kept";
const STATE = "state";

export interface State {
  entries: StoredEntry[];
  key: Kept | null;
  vault: Kept | null;
  pending: Kept[];
  offline: Kept | null;
}

const EMPTY: State = { entries: [], key: null, vault: null, pending: [], offline: null };

export class Shelf {
  private constructor(
    private readonly database: IDBPDatabase,
    private readonly name: string,
  ) {}

  static async open(name = SHELF): Promise<Shelf> {
    return new Shelf(await openDatabase(name, [STORE]), name);
  }

  static async destroy(name = SHELF): Promise<void> {
    await deleteDatabase(name);
  }

  close(): void {
    this.database.close();
  }

  /** An empty state where there is none. Raises storage.failed. */
  async read(): Promise<State> {
    try {
      return checked(await this.database.get(STORE, STATE));
    } catch (problem) {
      throw storageFailure(problem);
    }
  }

  /** What `make` says of the state goes into it; all or nothing, durable at the end. */
  async change(make: (state: State) => Partial<State>): Promise<void> {
    await exclusive(this.name, () =>
      whole(this.database, STORE, async (records) => {
        const state = checked(await records.get(STATE));
        records.put({ ...state, ...make(state) }, STATE);
      }),
    );
  }
}

/** The outer form; what is in the records is checked by whoever opens them. Raises storage.failed. */
function checked(value: unknown): State {
  if (value === undefined) return EMPTY;
  const state = value as State;
  const whole =
    typeof value === "object" &&
    value !== null &&
    Array.isArray(state.entries) &&
    Array.isArray(state.pending) &&
    state.pending.length <= MAX_PENDING &&
    state.entries.every((one) => isBytes(one?.name) && isBytes(one.r) && isBytes(one.public)) &&
    [state.key, state.vault, state.offline, ...state.pending].every(
      (one) => one === null || (isBytes(one?.entry) && isBytes(one.sealed)),
    );
  if (!whole)
    throw error("storage.failed", "The vault's records are damaged; nothing was changed.");
  return state;
}

function isBytes(value: unknown): boolean {
  return value instanceof Uint8Array;
}
