/**
 * A profile's PIN in the browser: set, changed, tried, so that a kill between any two steps leaves a profile
 * that opens.
 *
 * Setting one: the new entry and the new vault are written beside what holds; then the service is asked; once
 * it has the share, the new vault becomes the one that holds and, in the same transaction, the plain key, the
 * old entries and the offline copy go. If the answer is lost, both vaults stay: the service looks at a guess
 * that the new entry's key signs, or refuses the signature and takes no try off: so it tells which holds.
 * All raise storage.failed and storage.full.
 */

import { toHex } from "../wire/bytes";
import { error } from "../wire/errors";
import { COST, type Cost } from "./keys";
import { Entry } from "./keystore";
import { Shelf, type State } from "./shelf";
import { type Enrolment, enrol } from "./unlocking";
import { keep, MAX_PENDING, opened, type Policy, type Vault } from "./vault";

/** A vault that the PIN may be for, with its entry. */
export interface Candidate {
  vault: Vault;
  entry: Entry;
  pending: boolean;
}

/** A PIN that is being set: `sealed` goes to the service; if it takes it, `settle(entry)`. */
export interface Prepared {
  entry: string;
  /** The public half of the key that signs guesses. */
  unlockKey: Uint8Array<ArrayBuffer>;
  sealed: Uint8Array<ArrayBuffer>;
}

export type Stage = "none" | "plain" | "pin";

export class Keeping {
  private constructor(readonly shelf: Shelf) {}

  static async open(name?: string): Promise<Keeping> {
    return new Keeping(await Shelf.open(name));
  }

  close(): void {
    this.shelf.close();
  }

  /** `none`: no profile. `plain`: one whose PIN is not set yet. `pin`: one that opens with a PIN alone. */
  async stage(): Promise<Stage> {
    const { vault, key } = await this.shelf.read();
    if (vault) return "pin";
    return key ? "plain" : "none";
  }

  // --- before there is a PIN

  /**
   * Keep the vault key under the keystore alone, until the PIN is set: a line is activated first, and the
   * share service takes a share only from a device that is signed in. Raises storage.exists.
   */
  async keepPlain(key: Uint8Array): Promise<void> {
    const entry = await Entry.make();
    const sealed = { entry: entry.name, sealed: await entry.seal("key", key) };
    await this.shelf.change((state) => {
      if (state.vault || state.key) throw error("storage.exists");
      return { entries: [entry.stored], key: sealed };
    });
  }

  /** The vault key of a profile without a PIN; the caller wipes it. Raises vault.locked, storage.missing. */
  async plainKey(): Promise<Uint8Array<ArrayBuffer>> {
    const state = await this.shelf.read();
    if (state.vault) throw error("vault.locked");
    if (!state.key) throw error("storage.missing");
    return entryOf(state, state.key.entry).open("key", state.key.sealed);
  }

  // --- setting a PIN

  /** Make it and write it beside what holds. Raises unlock.malformed, unlock.unavailable. */
  async prepare(pin: string, what: Enrolment, cost: Cost = COST): Promise<Prepared> {
    const entry = await Entry.make();
    const made = await enrol(pin, entry, what, cost);
    const kept = await keep("vault", made.vault, entry);
    await this.shelf.change((state) => {
      // The plain key opens the profile still: what was begun before counts for nothing.
      const waiting = state.vault ? state.pending : [];
      if (waiting.length >= MAX_PENDING)
        throw error(
          "unlock.unavailable",
          "The relay's answer was lost too often; lock and unlock once.",
        );
      const named = [...waiting, state.vault, state.key].flatMap((one) => (one ? [one.entry] : []));
      const old = named.map((name) => entryOf(state, name).stored);
      return { entries: [entry.stored, ...old], pending: [kept, ...waiting] };
    });
    return { entry: entry.id, unlockKey: entry.public, sealed: made.sealed };
  }

  /** The service has the share of that entry: from here on its PIN holds, and nothing else. */
  async settle(entry: string): Promise<void> {
    await this.shelf.change((state) => {
      const vault = state.pending.find((one) => toHex(one.entry) === entry);
      if (!vault) throw error("storage.failed", "No PIN of that name is being set.");
      const { stored } = entryOf(state, vault.entry);
      return { entries: [stored], vault, pending: [], offline: null, key: null };
    });
  }

  /** For a profile with a PIN. Raises vault.no_pin. */
  async setPolicy(policy: Policy): Promise<void> {
    const { vault, entry } = await this.current();
    const kept = await keep("vault", { ...vault, policy }, entry);
    const less = policy.offlineHours < vault.policy.offlineHours;
    await this.shelf.change(() => (less ? { vault: kept, offline: null } : { vault: kept }));
  }

  // --- unlocking

  /** The vault that holds. Raises vault.no_pin. */
  async current(): Promise<Candidate> {
    return currentOf(await this.shelf.read());
  }

  /** What a PIN may open, the one that is being set first. Raises vault.no_pin. */
  async candidates(): Promise<Candidate[]> {
    const state = await this.shelf.read();
    const current = await currentOf(state);
    const waiting = state.pending.map(async (one) => {
      const entry = entryOf(state, one.entry);
      return { vault: await opened("vault", one, entry), entry, pending: true };
    });
    return [...(await Promise.all(waiting)), current];
  }

  /** The service gave this one's share: it is the one that holds. */
  async opened(candidate: Candidate): Promise<void> {
    if (candidate.pending) return this.settle(candidate.entry.id);
    // Mostly there is nothing to write, and a durable write takes longer than all else here.
    if ((await this.shelf.read()).pending.length === 0) return;
    await this.shelf.change((state) =>
      state.pending.length > 0 ? { entries: [candidate.entry.stored], pending: [] } : {},
    );
  }
}

async function currentOf(state: State): Promise<Candidate> {
  if (!state.vault) throw error("vault.no_pin");
  const entry = entryOf(state, state.vault.entry);
  return { vault: await opened("vault", state.vault, entry), entry, pending: false };
}

/** Raises storage.failed. */
export function entryOf(state: State, name: Uint8Array): Entry {
  const id = toHex(name);
  const found = state.entries.find((one) => toHex(one.name) === id);
  if (!found)
    throw error("storage.failed", "The vault's keystore is damaged; nothing was changed.");
  return new Entry(found);
}

/** A new vault key, and 32 bytes it is; the caller wipes it. */
export function newKey(): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(32));
}
