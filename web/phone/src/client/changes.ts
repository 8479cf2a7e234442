/**
 * Changes of conversations: intents become commits, and a lost race is run again on the epoch that won.
 *
 * A commit is durable here, with the state that it leads to, before it is said; that state is adopted when the
 * relay has accepted it. The same commit said again is answered again, so a kill in between costs nothing.
 */

import { Group, MlsFault, same } from "../mls";
import { type Bytes, fromHex, randomBytes, toHex } from "../wire/bytes";
import type { DeviceCertificate } from "../wire/certificate";
import { ChappeError, type Code, error } from "../wire/errors";
import { decodeFromDevice, encode, type Typed } from "../wire/frames";
import { inTurns } from "./asking";
import { TRY_LATER } from "./connection";
import { type Contacts, verifiedCertificate } from "./contacts";
import type { Core, Tx } from "./core";
import { type Groups, lock, opener } from "./groups";
import type { Messages } from "./messages";
import type { Notices } from "./notices";
import type { Outbox } from "./outbox";
import type { Packages } from "./packages";
import { plan, removalOf } from "./plans";
import { ACTIVE, type CommitRow, type Intent, type IntentRow, LEFT } from "./rows";
import { type Waiter, waiter } from "./time";
import { sleep } from "./transport";
import type { Wire } from "./wire";

/** A member renews its leaf after so long, or so many of its own messages. */
const LEAF_SECONDS = 7 * 24 * 3600;
const LEAF_MESSAGES = 1000;
const JITTER_MS = 300;
const RETRY_MS = 1000;

export class Changes {
  /** Set by the owner: an epoch began; what was held for it can be opened. */
  onEpoch: (tx: Tx, conversation: string) => Promise<void> = async () => {};
  /** Set by the owner: a device that is to be put out is not there any more. */
  onAbsent: (conversation: string, order: string, device: string) => void = () => {};
  /** Set by the owner: so many of the lines to let in are ready to be. */
  onFetched: (conversation: string, done: number, all: number) => void = () => {};
  #waiters = new Map<number, Waiter>();

  constructor(
    private readonly core: Core,
    private readonly groups: Groups,
    private readonly contacts: Contacts,
    private readonly messages: Messages,
    private readonly notices: Notices,
    private readonly outbox: Outbox,
    private readonly packages: Packages,
    private readonly wire: Wire,
  ) {}

  // --- intents

  /** Keep an intent; gives its row. The same one is not kept twice. */
  async want(tx: Tx, conversation: string, intent: Intent): Promise<number> {
    const same = this.#intents(conversation).find((one) => sameIntent(one.intent, intent));
    if (same !== undefined) return same.row;
    const row = await tx.change.next("intents");
    this.core.book.intents.put(tx.change, { row, conversation, intent });
    return row;
  }

  /** Put a device out by an order. One intent for each device and order, with the latest proposal. */
  async wantOut(
    tx: Tx,
    conversation: string,
    intent: Extract<Intent, { kind: "remove_device" }>,
  ): Promise<void> {
    const { device, order } = intent;
    if (this.orderedOut(device) === undefined)
      this.core.book.gone.put(tx.change, { device, order });
    const kept = this.#intents(conversation).find(
      ({ intent: one }) =>
        one.kind === "remove_device" && one.device === device && one.order === order,
    );
    if (kept === undefined) await this.want(tx, conversation, intent);
    else this.core.book.intents.put(tx.change, { ...kept, intent });
  }

  /** The order that put a device out for good, if one did. */
  orderedOut(device: string): string | undefined {
    return this.core.book.gone.get(device)?.order;
  }

  /** Wait until an intent is carried out. Raises what it failed with; network.timeout, it then stays. */
  async outcome(row: number, seconds: number): Promise<void> {
    if (this.core.book.intents.get(row) === undefined) return;
    const waits = this.#waiters.get(row) ?? waiter();
    this.#waiters.set(row, waits);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, refuse) => {
      timer = setTimeout(() => refuse(error("network.timeout")), seconds * 1000);
    });
    try {
      await Promise.race([waits.promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Intents for the leaves that are due (DESIGN section 4). */
  async wantFreshLeaves(): Promise<void> {
    const now = this.core.now();
    // One from far ahead was made while the clock was wrong.
    const isFresh = (at: number): boolean => Math.abs(now - at) < LEAF_SECONDS;
    const due = this.core.book.conversations
      .all()
      .filter((c) => c.active === ACTIVE && (!isFresh(c.leafAt) || c.leafSent >= LEAF_MESSAGES));
    if (due.length === 0) return;
    await this.core.change(async (tx) => {
      for (const { id } of due) await this.want(tx, id, { kind: "refresh" });
    });
  }

  /** No commit is under way and no intent waits, but to leave. */
  get idle(): boolean {
    const { commits, intents } = this.core.book;
    return commits.size === 0 && intents.all().every((one) => one.intent.kind === "leave");
  }

  /** This device is out: nothing more can be changed. */
  abandon(tx: Tx, conversation: string, problem: ChappeError): void {
    this.core.book.commits.delete(tx.change, conversation);
    for (const { row, intent } of this.#intents(conversation))
      this.#end(tx, row, intent.kind === "leave" ? null : problem);
  }

  /** Another member's commit ended `epoch`: what was made for it is void, the intents are not. */
  superseded(tx: Tx, conversation: string, epoch: number): void {
    const pending = this.core.book.commits.get(conversation);
    if (pending !== undefined && pending.epoch <= epoch)
      this.core.book.commits.delete(tx.change, conversation);
  }

  #intents(conversation: string): IntentRow[] {
    return this.core.book.intents.all().filter((one) => one.conversation === conversation);
  }

  #end(tx: Tx, row: number, problem: ChappeError | null): void {
    this.core.book.intents.delete(tx.change, row);
    tx.after(() => {
      const waits = this.#waiters.get(row);
      this.#waiters.delete(row);
      if (problem === null) waits?.done();
      else waits?.fail(problem);
    });
  }

  #fail(tx: Tx, conversation: string, rows: number[], problem: ChappeError): void {
    const ended = this.#intents(conversation).filter((one) => rows.includes(one.row));
    for (const row of rows) this.#end(tx, row, problem);
    const stuck = ended.some(({ intent }) => intent.kind === "remove" && intent.impostor);
    // One that never found its other line: what was written there must not pass for sent.
    if (stuck || this.groups.lacksPeer(conversation)) this.groups.setActive(tx, conversation, LEFT);
    tx.fail(problem.code, conversation);
  }

  // --- carrying out

  /** Carry out what can be. True if something is left that may succeed soon. Raises network.*. */
  async pump(): Promise<boolean> {
    const { commits, intents } = this.core.book;
    const ids = new Set([...commits.all(), ...intents.all()].map((one) => one.conversation));
    let again = false;
    for (const id of ids) again = (await this.#advance(id)) || again;
    return again;
  }

  async #advance(conversation: string): Promise<boolean> {
    if (this.core.book.commits.has(conversation)) return this.#say(conversation);
    if (this.groups.activity(conversation) === LEFT) {
      await this.core.change((tx) => this.abandon(tx, conversation, error("conversation.left")));
      return false;
    }
    if (this.#isBehind(conversation)) return false;
    await this.#proposeLeave(conversation);
    try {
      await this.#fetchPackages(conversation);
    } catch (problem) {
      if (problem instanceof ChappeError && TRY_LATER.has(problem.code)) return true;
      throw problem;
    }
    if (await this.#make(conversation)) return this.#say(conversation);
    const left = this.#intents(conversation).some((one) => one.intent.kind !== "leave");
    return left && !this.#isBehind(conversation);
  }

  /** A race was lost, and the winner's commit has not come yet. */
  #isBehind(conversation: string): boolean {
    const row = this.groups.row(conversation);
    return row.epoch <= row.blockedEpoch;
  }

  /** Key packages for the lines to let in. An intent that cannot be is ended here. */
  async #fetchPackages(conversation: string): Promise<void> {
    const adds = this.#intents(conversation).filter(isAdd);
    const lacking = adds.filter(({ intent }) => intent.packages === null);
    let done = adds.length - lacking.length;
    for (const some of inTurns(lacking)) {
      const addresses = some.map(({ intent }) => intent.address);
      const found = await this.packages.of(conversation, addresses);
      let passing: ChappeError | null = null;
      await this.core.change((tx) => {
        for (const { row, intent } of some) {
          const packages = found.get(intent.address) ?? error("network.unreachable");
          if (this.core.book.intents.get(row) === undefined) continue;
          if (!(packages instanceof ChappeError))
            this.core.book.intents.put(tx.change, {
              row,
              conversation,
              intent: { ...intent, packages },
            });
          else if (packages.code.startsWith("network.") || TRY_LATER.has(packages.code))
            passing = packages;
          else this.#fail(tx, conversation, [row], packages);
        }
      });
      // What came before is kept: a package that was handed out is not handed out again.
      if (passing !== null) throw passing;
      done += some.length;
      this.onFetched(conversation, done, adds.length);
    }
  }

  // --- commits

  /** Make the next commit durable. False if there is nothing to commit. */
  async #make(conversation: string): Promise<boolean> {
    return this.core.change(async (tx) => {
      if (this.groups.activity(conversation) === LEFT) return false;
      const group = await this.groups.group(tx, conversation);
      const { places } = this.groups.row(conversation);
      const isGone = (device: string): boolean => this.orderedOut(device) !== undefined;
      const situation = { group, places, now: this.core.now(), isGone };
      const made = await plan(this.#intents(conversation), situation);
      if (made.rows.length === 0) return false;
      for (const { order, device } of made.absent)
        tx.after(() => this.onAbsent(conversation, order, device));
      if (made.changes.length === 0 && !made.renews && made.group.pending.length === 0) {
        for (const row of made.rows) this.#end(tx, row, null);
        return false;
      }
      const { authenticate } = this.contacts.check(this.groups.allowed(conversation));
      try {
        const authenticatedData =
          made.settles.length > 0 ? removalOf(made.settles) : new Uint8Array();
        const options = { now: this.core.now(), authenticate, authenticatedData };
        const commit = await made.group.commit(made.changes, options);
        const others = this.groups
          .otherDevices(conversation)
          .filter((device) => !made.gone.includes(toHex(device)));
        const first = others.length === 0 ? [] : made.proposals.map((one) => sending(one, others));
        const welcomes =
          commit.welcome === null
            ? []
            : [{ to: made.joiners, payload: new Uint8Array(commit.welcome) }];
        const frame: Typed<"commit"> = {
          t: "commit",
          ref: 0,
          id: randomBytes(16),
          group: fromHex(conversation),
          epoch: group.epoch,
          opener: await opener(group),
          next_lock: await lock(commit.group),
          to: others,
          payload: new Uint8Array(commit.message),
          welcomes,
          settles: made.settles.map(fromHex),
        };
        this.core.book.commits.put(tx.change, {
          conversation,
          epoch: group.epoch,
          frame: encode(frame),
          shared: new Uint8Array(commit.group.sharedBytes()),
          secret: new Uint8Array(commit.group.secretBytes()),
          intents: made.rows,
          first,
          byOrder: made.settles.length > 0,
        });
        return true;
      } catch (problem) {
        if (!(problem instanceof MlsFault) && !(problem instanceof ChappeError)) throw problem;
        this.#fail(tx, conversation, made.rows, error("certificate.invalid"));
        return false;
      }
    });
  }

  /** Say the commit that waits, and take the answer. True if it should be tried again soon. */
  async #say(conversation: string): Promise<boolean> {
    const row = this.core.book.commits.get(conversation);
    if (row === undefined) return true;
    const frame = decodeFromDevice(row.frame) as Typed<"commit">;
    try {
      if (!(await this.#sayFirst(row))) return true;
      await this.wire.ask((ref) => ({ ...frame, ref }), "accepted");
    } catch (problem) {
      if (!(problem instanceof ChappeError) || problem.code.startsWith("network.")) throw problem;
      return this.#refused(conversation, row.epoch, problem);
    }
    await this.#adopt(conversation, row.epoch);
    return true;
  }

  /**
   * The proposals that a commit refers to, to those who will get it. False where the relay takes none: then
   * the commit is made anew without. Raises what passes, network.* among it.
   */
  async #sayFirst({ conversation, first }: CommitRow): Promise<boolean> {
    for (const data of first) {
      const frame = decodeFromDevice(data) as Typed<"send">;
      try {
        await this.wire.ask((ref) => ({ ...frame, ref }), "accepted");
      } catch (problem) {
        if (!(problem instanceof ChappeError)) throw problem;
        if (problem.code.startsWith("network.") || TRY_LATER.has(problem.code)) throw problem;
        await this.core.change((tx) => {
          this.core.book.commits.delete(tx.change, conversation);
          for (const kept of this.#intents(conversation))
            if (kept.intent.kind === "remove_device")
              this.core.book.intents.put(tx.change, {
                ...kept,
                intent: { ...kept.intent, proposal: null },
              });
        });
        return false;
      }
    }
    return true;
  }

  /** The commit is the group's next epoch. */
  async #adopt(conversation: string, epoch: number): Promise<void> {
    await this.core.change(async (tx) => {
      const row = this.core.book.commits.get(conversation);
      if (row === undefined || row.epoch !== epoch) return;
      const before = await this.groups.group(tx, conversation);
      if (before.epoch !== epoch) return;
      const after = Group.fromParts(row.shared, row.secret).carryOver(before);
      await this.notices.ofOwn(tx, conversation, before, after, row.byOrder);
      this.groups.enter(tx, conversation, after);
      const now = this.core.now();
      this.groups.put(tx, { ...this.groups.row(conversation), leafAt: now, leafSent: 0 });
      this.core.book.commits.delete(tx.change, conversation);
      const members = after.members.map((one) => verifiedCertificate(one.identity));
      await this.contacts.learn(tx, members);
      for (const number of row.intents) this.#end(tx, number, null);
      if (row.byOrder) await this.endIfAlone(tx, conversation);
      if (this.groups.activity(conversation) !== LEFT) await this.onEpoch(tx, conversation);
    });
  }

  async #refused(conversation: string, epoch: number, problem: ChappeError): Promise<boolean> {
    if (TRY_LATER.has(problem.code)) {
      await sleep(RETRY_MS);
      return true;
    }
    await this.core.change((tx) => {
      const row = this.core.book.commits.get(conversation);
      if (row === undefined || row.epoch !== epoch) return;
      this.core.book.commits.delete(tx.change, conversation);
      if (problem.code === "commit.conflict")
        this.groups.put(tx, { ...this.groups.row(conversation), blockedEpoch: epoch });
      else if (problem.code !== "id.reused") this.#fail(tx, conversation, row.intents, problem);
    });
    if (problem.code === "commit.conflict") await sleep(Math.random() * JITTER_MS);
    return true;
  }

  /** A direct conversation whose other line has no device left, by order, ends. */
  async endIfAlone(tx: Tx, conversation: string): Promise<void> {
    if (!this.groups.lacksPeer(conversation)) return;
    await this.groups.forget(tx, conversation);
    this.abandon(tx, conversation, error("conversation.left"));
  }

  // --- impostors

  /**
   * Leaves of this address with another key are not the line's: they get no word more, and what they said is
   * nobody's. A direct conversation ends; a group goes on without them.
   */
  async putOut(tx: Tx, address: string, identityKey: Bytes | null): Promise<void> {
    for (const conversation of this.groups.active()) {
      const group = await this.groups.group(tx, conversation);
      const members = group.members.map((one) => verifiedCertificate(one.identity));
      const isImpostor = (one: DeviceCertificate): boolean =>
        one.address === address && (identityKey === null || !same(one.identityKey, identityKey));
      if (!members.some(isImpostor)) continue;
      await this.messages.disown(tx, conversation, address);
      tx.fail("certificate.invalid" satisfies Code, conversation);
      if (this.groups.row(conversation).kind === "group") {
        await this.want(tx, conversation, { kind: "remove", address, impostor: true });
        continue;
      }
      await this.groups.forget(tx, conversation);
      this.abandon(tx, conversation, error("conversation.left"));
    }
  }

  // --- leaving

  /** In each epoch until somebody commits it: put this line's devices out. */
  async #proposeLeave(conversation: string): Promise<void> {
    const leaving = this.#intents(conversation).find((one) => one.intent.kind === "leave");
    if (leaving?.intent.kind !== "leave") return;
    if (leaving.intent.epoch === this.groups.row(conversation).epoch) return;
    await this.core.change(async (tx) => {
      let group = await this.groups.group(tx, conversation);
      const { places } = this.groups.row(conversation);
      const { address } = this.core.me;
      if (places.every((place) => place.address === address)) {
        this.groups.setActive(tx, conversation, LEFT);
        this.#end(tx, leaving.row, null);
        return;
      }
      for (const place of places) {
        if (place.address !== address) continue;
        const sent = await group.proposeRemove(place.leaf, this.core.now());
        group = sent.group;
        const message = new Uint8Array(sent.message);
        await this.outbox.putProposal(tx, conversation, group.epoch, message);
      }
      this.groups.keep(tx, conversation, group);
      const intent = { kind: "leave" as const, epoch: group.epoch };
      this.core.book.intents.put(tx.change, { ...leaving, intent });
    });
  }
}

const sending = (payload: Bytes, to: Bytes[]): Bytes =>
  encode({ t: "send", ref: 0, id: randomBytes(16), to, payload });

function sameIntent(a: Intent, b: Intent): boolean {
  if (a.kind === "add" && b.kind === "add")
    return a.address === b.address && a.packages === null && b.packages === null;
  return JSON.stringify(a) === JSON.stringify(b);
}

type AddRow = IntentRow & { intent: Extract<Intent, { kind: "add" }> };

const isAdd = (row: IntentRow): row is AddRow => row.intent.kind === "add";
