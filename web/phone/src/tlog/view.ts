/**
 * What a client believes of a log: the newest head it has verified, and nothing that contradicts it. As
 * src/chappe/tlog/view.py. A view is saved as `held.note` and read back through the same checks.
 */

import { outOfRange, TlogError, wrongProof } from "./errors";
import { EMPTY_ROOT } from "./merkle";
import type { Policy, SignedCheckpoint } from "./policy";
import { verifyConsistency } from "./proofs";
import { equal } from "./text";
import { type Fetch, TileReader } from "./tileReader";

export class View {
  readonly origin: string;
  readonly policy: Policy;
  readonly held: SignedCheckpoint | null;

  constructor(origin: string, policy: Policy, held: SignedCheckpoint | null = null) {
    this.origin = origin;
    this.policy = policy;
    this.held = held;
  }

  static restore(origin: string, policy: Policy, note: Uint8Array | null): View {
    const view = new View(origin, policy);
    return note === null ? view : new View(origin, policy, view.check(note));
  }

  get size(): bigint {
    return this.held?.checkpoint.size ?? 0n;
  }

  get root(): Uint8Array {
    return this.held?.checkpoint.root ?? EMPTY_ROOT;
  }

  /** The checkpoint in `note`, signed as it must be, and of this log. */
  check(note: Uint8Array): SignedCheckpoint {
    const signed = this.policy.check(note);
    if (signed.checkpoint.origin !== this.origin)
      throw new TlogError("tlog.wrong_log", "a checkpoint of another log");
    return signed;
  }

  /** The view with the head in `note`, if the proof shows that it contains the one held. */
  advance(note: Uint8Array, proof: readonly Uint8Array[] = []): View {
    const signed = this.newer(this.check(note));
    const { size, root } = signed.checkpoint;
    if (this.size > 0n) {
      const [oldSize, oldRoot] = [this.size, this.root];
      verifyConsistency({ oldSize, newSize: size, oldRoot, newRoot: root, proof });
    } else if (proof.length > 0) {
      throw wrongProof("nothing can be proved from an empty tree");
    }
    return new View(this.origin, this.policy, this.fresher(signed));
  }

  /** `advance` with the log's own tiles in place of a proof: `tlog.fork` if they have another past. */
  async advanceWith(note: Uint8Array, fetch: Fetch): Promise<View> {
    const signed = this.newer(this.check(note));
    const reader = await TileReader.open(signed.checkpoint.size, signed.checkpoint.root, fetch);
    if (!equal((await reader.frontier(this.size)).root(), this.root))
      throw fork("the log has two pasts: the new head does not contain the one held");
    return new View(this.origin, this.policy, this.fresher(signed));
  }

  /** That a head seen elsewhere is of the same log as the one held. `fetch` gives tiles of the *held* head. */
  async compare(note: Uint8Array, fetch: Fetch): Promise<void> {
    const { size, root } = this.check(note).checkpoint;
    if (size > this.size) throw outOfRange("a newer head than the one held");
    let ours = this.root;
    if (size < this.size) {
      const reader = await TileReader.open(this.size, this.root, fetch);
      ours = (await reader.frontier(size)).root();
    }
    if (!equal(ours, root)) throw fork("the log shows others another past than it shows us");
  }

  private newer(signed: SignedCheckpoint): SignedCheckpoint {
    const { size, root } = signed.checkpoint;
    if (size < this.size)
      throw new TlogError(
        "tlog.rollback",
        `a head of ${size} entries, when ${this.size} are known`,
      );
    if (size === this.size && !equal(root, this.root))
      throw fork("two heads of one size: the log has two pasts");
    return signed;
  }

  /** Of two notes with one head, the one with the later time: an old note must not make it look old. */
  private fresher(signed: SignedCheckpoint): SignedCheckpoint {
    const { held } = this;
    const same = held !== null && held.checkpoint.size === signed.checkpoint.size;
    return same && held.signedAt > signed.signedAt ? held : signed;
  }
}

function fork(message: string): TlogError {
  return new TlogError("tlog.fork", message);
}
