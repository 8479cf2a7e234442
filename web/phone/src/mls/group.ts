/**
 * One member's view of a group in one epoch (RFC 9420): a value that never changes; methods give the next one.
 *
 *     const { group, message } = await before.encrypt(data, { now, padding });
 *
 * Store the new value before the message leaves: a key must never serve twice. Times are Unix seconds. Every
 * method throws an MlsFault, or what `authenticate` threw; the value is then as it was.
 */

import {
  type ClientState,
  createApplicationMessage,
  createCommit,
  createGroup,
  createProposal,
  defaultProposalTypes,
  joinGroup,
  mlsExporter,
  type Proposal,
  wireformats,
} from "ts-mls";
import { same } from "./bytes";
import { type Authenticate, PAST_EPOCH_SECONDS, run, suite } from "./engine";
import { invalid, MlsFault } from "./errors";
import { checkLifetime, ownLeaf, parseKeyPackage, readBundle, type Signer } from "./keyPackages";
import {
  asGroupContextExtension,
  type Extension,
  type ExternalSender,
  extensions,
  externalSenders,
  leaves,
  type Member,
  members,
  type PendingRemove,
  pendingRemoves,
} from "./members";
import { parseMessage, write } from "./messages";
import { processMessage, type Received } from "./receiving";
import { fromParts, type Kept, secretBytes, sharedBytes } from "./state";

export type Change =
  /** Let in the device of a key package (an MLSMessage). */
  | { kind: "add"; keyPackage: Uint8Array }
  | { kind: "remove"; leaf: number }
  /** Set one GroupContext extension, the others stay. */
  | { kind: "extension"; type: number; data: Uint8Array };

/** `group` is the epoch that the commit leads to: adopt it (`carryOver`) once the commit is accepted. */
export interface CommitMade {
  group: Group;
  message: Uint8Array;
  welcome: Uint8Array | null;
}

export interface Sent {
  group: Group;
  message: Uint8Array;
}

export class Group {
  private constructor(private readonly kept: Kept) {}

  // Founding, joining, keeping

  /** A group of one at epoch 0 (section 11). */
  static async create(options: {
    id: Uint8Array;
    signer: Signer;
    identity: Uint8Array;
    extensions: Extension[];
    now: number;
    authenticate: Authenticate;
  }): Promise<Group> {
    const { id, signer, identity, now, authenticate } = options;
    const own = await ownLeaf(signer, identity, now);
    const state = await run(authenticate, 0, (context) =>
      createGroup({
        context,
        groupId: id,
        keyPackage: own.publicPackage,
        privateKeyPackage: own.privatePackage,
        extensions: options.extensions.map(asGroupContextExtension),
      }),
    );
    return new Group({ state, until: new Map() });
  }

  /** The group that a Welcome lets in to (section 12.4.3.1). `bundle`: the key package it is for, as stored. */
  static async join(
    welcome: Uint8Array,
    bundle: Uint8Array,
    signer: Signer,
    authenticate: Authenticate,
  ): Promise<Group> {
    const { keyPackage, initPrivateKey, hpkePrivateKey } = readBundle(bundle);
    const message = parseMessage(welcome);
    if (message.wireformat !== wireformats.mls_welcome) throw invalid("not a Welcome");
    const privateKeys = { initPrivateKey, hpkePrivateKey, signaturePrivateKey: signer.privateKey };
    const state = await run(authenticate, 0, (context) =>
      joinGroup({ context, welcome: message.welcome, keyPackage, privateKeys }),
    );
    for (const { leaf } of leaves(state.ratchetTree))
      if ("lifetime" in leaf) checkLifetime(leaf.lifetime);
    const group = new Group({ state, until: new Map() });
    for (const sender of externalSenders(group.extensions))
      await authenticate(sender.identity, sender.signatureKey, true);
    return group;
  }

  /** The part that changes with the epoch only. */
  sharedBytes(): Uint8Array {
    return sharedBytes(this.kept);
  }

  /** The part that changes with each message. It opens the group. */
  secretBytes(): Uint8Array {
    return secretBytes(this.kept);
  }

  /** Throws a `malformed` fault. */
  static fromParts(shared: Uint8Array, secret: Uint8Array): Group {
    return new Group(fromParts(shared, secret));
  }

  // Reading

  get id(): Uint8Array {
    return this.kept.state.groupContext.groupId;
  }

  get epoch(): number {
    return Number(this.kept.state.groupContext.epoch);
  }

  get ownLeaf(): number {
    return this.kept.state.privatePath.leafIndex;
  }

  get members(): Member[] {
    return members(this.kept.state.ratchetTree);
  }

  get extensions(): Extension[] {
    return extensions(this.kept.state.groupContext.extensions);
  }

  extension(type: number): Uint8Array | undefined {
    return this.extensions.find((one) => one.type === type)?.data;
  }

  /** Who may propose from outside, by index. Throws a `malformed` fault. */
  get senders(): ExternalSender[] {
    return externalSenders(this.extensions);
  }

  /** Removes that the next commit carries out. */
  get pending(): PendingRemove[] {
    return pendingRemoves(this.kept.state.unappliedProposals);
  }

  /** Equal for two members exactly if they agree on the group's whole history (section 8.7). */
  get epochAuthenticator(): Uint8Array {
    return this.kept.state.keySchedule.epochAuthenticator;
  }

  /** The confirmed transcript hash (section 8.2) of this epoch, or of a past one whose keys are kept. */
  transcriptHash(epoch: number): Uint8Array | undefined {
    const { state } = this.kept;
    if (epoch === this.epoch) return state.groupContext.confirmedTranscriptHash;
    const past = state.historicalReceiverData.get(BigInt(epoch));
    return past?.groupContext.confirmedTranscriptHash;
  }

  /** MLS-Exporter (section 8.5). */
  async export(label: string, context: Uint8Array, length: number): Promise<Uint8Array> {
    const { exporterSecret } = this.kept.state.keySchedule;
    return mlsExporter(exporterSecret, label, context, length, await suite());
  }

  // Sending

  /** An application message with `padding` zero bytes inside. Throws `pending` where the epoch's proposals
   * have to be committed first (section 12.4). */
  async encrypt(
    data: Uint8Array,
    options: { now: number; padding: number; authenticatedData?: Uint8Array },
  ): Promise<Sent> {
    const { state, until } = this.current(options.now);
    if (Object.keys(state.unappliedProposals).length > 0)
      throw new MlsFault("pending", "commit the proposals of this epoch first");
    const { authenticatedData = new Uint8Array() } = options;
    const made = await run(null, options.padding, (context) =>
      createApplicationMessage({ context, state, message: data, authenticatedData }),
    );
    return { group: new Group({ state: made.newState, until }), message: write(made.message) };
  }

  /** A Remove for another member to commit: how a line's devices leave. */
  async proposeRemove(leaf: number, now: number): Promise<Sent> {
    const { state, until } = this.current(now);
    if (!this.members.some((one) => one.leaf === leaf)) throw invalid("nobody is at that leaf");
    const proposal: Proposal = {
      proposalType: defaultProposalTypes.remove,
      remove: { removed: leaf },
    };
    const made = await run(null, 0, (context) => createProposal({ context, state, proposal }));
    return { group: new Group({ state: made.newState, until }), message: write(made.message) };
  }

  /** Commit `changes`, and by reference all pending Removes that fit beside them; none at all renews the own
   * leaf. The Welcome has the ratchet tree inside. */
  async commit(
    changes: Change[],
    options: { now: number; authenticate: Authenticate; authenticatedData?: Uint8Array },
  ): Promise<CommitMade> {
    const { state, until } = this.current(options.now);
    const fitting = { ...state, unappliedProposals: this.usablePending(changes) };
    const made = await run(options.authenticate, 0, (context) =>
      createCommit({
        context,
        state: fitting,
        extraProposals: this.proposals(changes),
        ratchetTreeExtension: true,
        authenticatedData: options.authenticatedData ?? new Uint8Array(),
      }),
    );
    const after = {
      state: made.newState,
      until: this.untilAfter(until, made.newState, options.now),
    };
    return {
      group: new Group(after),
      message: write(made.commit),
      welcome: made.welcome === undefined ? null : write(made.welcome),
    };
  }

  /** This group, the result of an own commit, as it is to be adopted: keys that `before` spent while the
   * commit was under way are spent here too (ts-mls keeps them as they were when it was made). */
  carryOver(before: Group): Group {
    const { state: old } = before.kept;
    const { state, until } = this.kept;
    if (before.epoch + 1 !== this.epoch || !same(before.id, this.id))
      throw invalid("not the epoch that follows");
    const historicalReceiverData = new Map(state.historicalReceiverData);
    for (const [epoch, data] of historicalReceiverData) {
      const known = epoch === old.groupContext.epoch ? old : old.historicalReceiverData.get(epoch);
      if (known === undefined) historicalReceiverData.delete(epoch);
      else historicalReceiverData.set(epoch, { ...data, secretTree: known.secretTree });
    }
    return new Group({ state: { ...state, historicalReceiverData }, until });
  }

  /** This group without the keys of past epochs whose time is over; itself if there are none. */
  withoutExpired(now: number): Group {
    const kept = this.current(now);
    return kept === this.kept ? this : new Group(kept);
  }

  // Receiving

  /** Open one message. A group that a commit put this member out of is not given: its state ends. */
  async process(
    message: Uint8Array,
    options: { now: number; authenticate: Authenticate },
  ): Promise<{ group: Group; received: Received }> {
    const kept = this.current(options.now);
    const { state, received } = await processMessage(kept.state, message, options.authenticate);
    const until =
      received.kind === "commit" ? this.untilAfter(kept.until, state, options.now) : kept.until;
    return { group: new Group({ state, until }), received };
  }

  // Inside

  private current(now: number): Kept {
    const { state, until } = this.kept;
    const over = [...until].filter(([, at]) => at <= now).map(([epoch]) => epoch);
    if (over.length === 0) return this.kept;
    const historicalReceiverData = new Map(state.historicalReceiverData);
    const left = new Map(until);
    for (const epoch of over) {
      historicalReceiverData.delete(epoch);
      left.delete(epoch);
    }
    return { state: { ...state, historicalReceiverData }, until: left };
  }

  /** The ended epoch's keys go when its time is over. */
  private untilAfter(
    until: ReadonlyMap<bigint, number>,
    after: ClientState,
    now: number,
  ): Map<bigint, number> {
    const times = new Map(until);
    times.set(this.kept.state.groupContext.epoch, now + PAST_EPOCH_SECONDS);
    return new Map([...times].filter(([epoch]) => after.historicalReceiverData.has(epoch)));
  }

  /** Pending Removes, one for each leaf that is there, none of the own leaf nor of one that `changes` remove:
   * ts-mls would fail over any of these (section 12.2). */
  private usablePending(changes: Change[]): ClientState["unappliedProposals"] {
    const taken = new Set<number>([this.ownLeaf]);
    for (const change of changes) if (change.kind === "remove") taken.add(change.leaf);
    const present = new Set(this.members.map((one) => one.leaf));
    const usable: ClientState["unappliedProposals"] = {};
    for (const [ref, pending] of Object.entries(this.kept.state.unappliedProposals)) {
      const leaf = pendingRemoves({ [ref]: pending })[0]?.leaf;
      if (leaf === undefined || taken.has(leaf) || !present.has(leaf)) continue;
      taken.add(leaf);
      usable[ref] = pending;
    }
    return usable;
  }

  private proposals(changes: Change[]): Proposal[] {
    const set = changes.filter((change) => change.kind === "extension");
    const rest = changes.flatMap((change): Proposal[] => {
      if (change.kind === "add")
        return [
          {
            proposalType: defaultProposalTypes.add,
            add: { keyPackage: parseKeyPackage(change.keyPackage) },
          },
        ];
      return change.kind === "remove"
        ? [{ proposalType: defaultProposalTypes.remove, remove: { removed: change.leaf } }]
        : [];
    });
    return set.length === 0 ? rest : [...rest, this.extensionsProposal(set)];
  }

  private extensionsProposal(set: Extension[]): Proposal {
    const types = new Set<number>(set.map((one) => one.type));
    const others = this.kept.state.groupContext.extensions.filter(
      (one) => !types.has(one.extensionType),
    );
    return {
      proposalType: defaultProposalTypes.group_context_extensions,
      groupContextExtensions: { extensions: [...others, ...set.map(asGroupContextExtension)] },
    };
  }
}
