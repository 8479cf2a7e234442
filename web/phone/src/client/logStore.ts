/**
 * The ledger in the vault: policy, newest note, a snapshot, and the entries since. The snapshot is written anew after
 * SNAPSHOT entries only, so that one more device on a large relay does not cost megabytes.
 */

import { TlogError } from "../tlog/errors";
import type { Bytes } from "../wire/bytes";
import type { Core, Tx } from "./core";
import { type KeptLedger, Ledger } from "./logLedger";
import { Broken } from "./logState";

const SNAPSHOT = 256;
const POLICY = "log.policy";
const NOTE = "log.note";
const KEPT = "log.kept";
const TAIL = "log.tail";

export class LogStore {
  #tail: readonly Bytes[] = [];
  #snapshot = false;

  constructor(private readonly core: Core) {}

  /** Null where no policy was pinned. What does not fit is read anew, under the same policy. */
  async load(): Promise<Ledger | null> {
    const policy = await this.core.meta<Bytes>(POLICY);
    if (policy === undefined) return null;
    const { server } = this.core.me;
    const [note, kept, tail] = [
      await this.core.meta<Bytes>(NOTE),
      await this.core.meta<KeptLedger>(KEPT),
      await this.core.meta<Bytes[]>(TAIL),
    ];
    if (kept === undefined) return Ledger.pinned(server, policy);
    try {
      const ledger = await Ledger.restore(server, policy, note ?? null, kept, tail ?? []);
      this.#tail = tail ?? [];
      this.#snapshot = true;
      return ledger;
    } catch (problem) {
      if (!(problem instanceof TlogError) && !(problem instanceof Broken)) throw problem;
      return anew(server, policy, note);
    }
  }

  /** As if there had never been one. */
  forget(tx: Tx): void {
    for (const key of [POLICY, NOTE, KEPT, TAIL]) this.core.dropMeta(tx, key);
    tx.after(() => {
      this.#tail = [];
      this.#snapshot = false;
    });
  }

  save(tx: Tx, ledger: Ledger): void {
    this.core.setMeta(tx, POLICY, ledger.policyText);
    if (ledger.held !== null) this.core.setMeta(tx, NOTE, new Uint8Array(ledger.held.note));
    let tail = [...this.#tail, ...ledger.added.map((entry) => new Uint8Array(entry))];
    if (tail.length >= SNAPSHOT || !this.#snapshot) {
      this.core.setMeta(tx, KEPT, ledger.toKept());
      tail = [];
    }
    if (ledger.added.length > 0 || !this.#snapshot) this.core.setMeta(tx, TAIL, tail);
    tx.after(() => {
      this.#tail = tail;
      this.#snapshot = true;
    });
  }
}

/** Whatever is read must contain the head that was believed. */
function anew(server: string, policy: Bytes, note: Bytes | undefined): Ledger {
  const ledger = Ledger.pinned(server, policy);
  if (note === undefined) return ledger;
  const { size, root } = ledger.check(note).checkpoint;
  const hex = Array.from(root, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return ledger.remembering(Number(size), hex);
}
