/**
 * A transparency log as far as this phone has read it: the policy that it pinned, the newest head that it believes,
 * the tree that leads there, and what the entries say. As src/chappe/client/log_ledger.py: the entries behind the
 * own head must lead to the new root, which is the proof of consistency.
 */

import { type TlogCode, TlogError, wrongProof } from "../tlog/errors";
import { Frontier, leafHash } from "../tlog/merkle";
import { parseNote, verifyNote } from "../tlog/notes";
import { Policy, type SignedCheckpoint } from "../tlog/policy";
import type { Fetch } from "../tlog/tileReader";
import { bundleEntries, type Tile, tileWidth, WIDTH } from "../tlog/tiles";
import { View } from "../tlog/view";
import { type Bytes, toHex } from "../wire/bytes";
import { Broken, type KeptState, LogState } from "./logState";

/** Heads of the past that are remembered. */
const HEADS = 256;

/** The part of a ledger that is written now and then. */
export interface KeptLedger {
  frontier: Bytes;
  state: KeptState;
  heads: [size: number, root: string][];
}

/** Who signed a head, and when (Unix seconds; 0 where it does not say). */
export interface HeadSigner {
  name: string;
  isWitness: boolean;
  at: number;
}

/** The name of a relay's log. */
export const originOf = (server: string): string => `${server}/chappe`;

/** The bundles with the entries from `old` on, of a log of `size` entries. */
export function newBundles(old: number, size: number): Tile[] {
  const found: Tile[] = [];
  for (let index = Math.floor(old / WIDTH); index * WIDTH < size; index++)
    found.push({
      level: null,
      index: BigInt(index),
      width: tileWidth(null, BigInt(index), BigInt(size)),
    });
  return found;
}

interface Parts {
  policyText: Bytes;
  view: View;
  frontier: Frontier;
  state: LogState;
  heads: ReadonlyMap<number, string>;
  added: readonly Uint8Array[];
}

export class Ledger {
  private constructor(private readonly parts: Parts) {}

  /** The empty ledger under this policy. Throws TlogError where it does not name this relay's log. */
  static pinned(server: string, policyText: Bytes): Ledger {
    const policy = Policy.parse(policyText);
    const origin = originOf(server);
    if (!policy.logs.some((key) => key.name === origin))
      throw new TlogError("tlog.wrong_log", "the policy does not name the relay's log");
    const [frontier, state] = [new Frontier(), new LogState()];
    const view = new View(origin, policy);
    return new Ledger({ policyText, view, frontier, state, heads: new Map(), added: [] });
  }

  get policyText(): Bytes {
    return this.parts.policyText;
  }
  get origin(): string {
    return this.parts.view.origin;
  }
  get state(): LogState {
    return this.parts.state;
  }
  get held(): SignedCheckpoint | null {
    return this.parts.view.held;
  }
  get size(): number {
    return Number(this.parts.frontier.size);
  }
  get root(): Uint8Array {
    return this.parts.frontier.root();
  }
  get signedAt(): number {
    return Number(this.held?.signedAt ?? 0n);
  }
  /** The entries that the last `advance` brought. */
  get added(): readonly Uint8Array[] {
    return this.parts.added;
  }

  /** The head in a note, if the policy accepts it and nothing held contradicts it by itself. */
  check(note: Uint8Array): SignedCheckpoint {
    const signed = this.parts.view.check(note);
    const [size, root] = [Number(signed.checkpoint.size), toHex(signed.checkpoint.root)];
    const known = this.parts.heads.get(size) ?? root;
    if (known !== root || (size === this.size && this.held !== null && root !== toHex(this.root)))
      throw fault("tlog.fork", "two heads of one size: the log has two pasts");
    if (size < this.size)
      throw fault("tlog.rollback", `a head of ${size} entries, when ${this.size} are known`);
    return signed;
  }

  /** When a note was signed, whatever its head is. Throws as `Policy.check`. */
  signedAtOf(note: Uint8Array): number {
    return Number(this.parts.view.check(note).signedAt);
  }

  /** Whether the log itself has signed a note that the policy refuses: witnesses are missing. */
  lacksWitnesses(note: Uint8Array): boolean {
    const { policy } = this.parts.view;
    try {
      policy.check(note);
    } catch (problem) {
      return (
        problem instanceof TlogError &&
        problem.code === "tlog.unsigned" &&
        isBy(new Policy(policy.logs), note)
      );
    }
    return false;
  }

  /** With the head in `note`; `fetch` gives the bundles of `newBundles`. Throws TlogError, Broken. */
  async advance(note: Uint8Array, fetch: Fetch): Promise<Ledger> {
    const signed = this.check(note);
    const size = Number(signed.checkpoint.size);
    const entries: Uint8Array[] = [];
    for (const tile of size > this.size ? newBundles(this.size, size) : []) {
      const found = bundleEntries(tile, await fetch(tile));
      entries.push(...found.slice(Math.max(0, this.size - Number(tile.index) * WIDTH)));
    }
    const frontier = this.#extended(entries);
    const root = toHex(signed.checkpoint.root);
    if (toHex(frontier.root()) !== root)
      throw wrongProof("the entries do not lead to the root of the new head");
    const state = entries.length > 0 ? await this.state.replay(entries) : this.state;
    if (state.origin !== "" && state.origin !== this.origin)
      throw new Broken(0, "the log was opened under another name");
    const { held } = this;
    const fresher =
      held === null || Number(held.checkpoint.size) !== size || held.signedAt < signed.signedAt
        ? signed
        : held;
    const view = new View(this.origin, this.parts.view.policy, fresher);
    const heads = remember(this.parts.heads, size, root);
    return new Ledger({ ...this.parts, view, frontier, state, heads, added: entries });
  }

  /** The tree with these entries more; it must have had, on its way, the heads that are remembered. */
  #extended(entries: readonly Uint8Array[]): Frontier {
    let frontier = this.parts.frontier;
    let at = 0;
    const end = this.size + entries.length;
    const between = [...this.parts.heads].filter(([size]) => size > this.size && size <= end);
    for (const [size, root] of between.sort(([a], [b]) => a - b)) {
      frontier = frontier.extend(entries.slice(at, size - this.size).map(leafHash));
      at = size - this.size;
      if (toHex(frontier.root()) !== root)
        throw fault("tlog.fork", "the log does not contain a head that it had");
    }
    return frontier.extend(entries.slice(at).map(leafHash));
  }

  /** Whether the tree under `note` has another past than this ledger. `fetch` gives its tiles. */
  async forked(note: Uint8Array, fetch: Fetch): Promise<boolean> {
    try {
      await this.parts.view.advanceWith(note, fetch);
    } catch (problem) {
      if (problem instanceof TlogError && problem.code === "tlog.fork") return true;
      throw problem;
    }
    return false;
  }

  /** Whether a head is of this log; null where it is newer or only tiles can tell. */
  knows(size: number, root: string): boolean | null {
    if (size === this.size) return root === toHex(this.root);
    const known = this.parts.heads.get(size);
    return known === undefined ? null : known === root;
  }

  remembering(size: number, root: string): Ledger {
    return new Ledger({ ...this.parts, heads: remember(this.parts.heads, size, root), added: [] });
  }

  signers(): HeadSigner[] {
    const { held } = this;
    if (held === null) return [];
    const { logs, quorum } = this.parts.view.policy;
    const signed = verifyNote(parseNote(held.note), [...logs, ...(quorum?.witnesses() ?? [])]);
    return [...signed].map(([key, at]) => ({
      name: key.name,
      isWitness: !logs.includes(key),
      at: Number(at ?? 0n),
    }));
  }

  // --- keeping

  toKept(): KeptLedger {
    return {
      frontier: this.parts.frontier.toBytes(),
      state: this.state.toKept(),
      heads: [...this.parts.heads],
    };
  }

  /** What was kept, and the entries since. Throws TlogError where the parts do not fit. */
  static async restore(
    server: string,
    policyText: Bytes,
    note: Uint8Array | null,
    kept: KeptLedger,
    tail: readonly Uint8Array[],
  ): Promise<Ledger> {
    const { parts } = Ledger.pinned(server, policyText);
    const state = await LogState.fromKept(kept.state).replay(tail, true);
    const frontier = Frontier.fromBytes(kept.frontier).extend(tail.map(leafHash));
    const view = View.restore(parts.view.origin, parts.view.policy, note);
    if (view.size !== frontier.size || toHex(view.root) !== toHex(frontier.root()))
      throw wrongProof("what was kept does not lead to its head");
    return new Ledger({ ...parts, view, frontier, state, heads: new Map(kept.heads) });
  }
}

function isBy(policy: Policy, note: Uint8Array): boolean {
  try {
    policy.check(note);
    return true;
  } catch {
    return false;
  }
}

/** The newest HEADS of them. */
function remember(heads: ReadonlyMap<number, string>, size: number, root: string) {
  const kept = [...new Map([...heads, [size, root]])].sort(([a], [b]) => a - b);
  return new Map(kept.slice(-HEADS));
}

const fault = (code: TlogCode, text: string): TlogError => new TlogError(code, text);
