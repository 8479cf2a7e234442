/** Opening a message to a group, and what Chappe's profile takes of what RFC 9420 allows. */

import {
  type ClientState,
  contentTypes,
  defaultProposalTypes,
  type IncomingMessageCallback,
  type MlsMessage,
  type Proposal,
  type ProposalWithSender,
  processPrivateMessage,
  processPublicMessage,
  senderTypes,
  wireformats,
} from "ts-mls";
import { same } from "./bytes";
import { type Authenticate, run } from "./engine";
import { invalid, MlsFault } from "./errors";
import { checkLifetime } from "./keyPackages";
import {
  extensions,
  externalSenders,
  type Member,
  memberAt,
  members,
  removedLeaf,
  sameExtensions,
} from "./members";
import { type Peeked, parseMessage, view } from "./messages";

export interface ApplicationMessage {
  kind: "application";
  data: Uint8Array;
  authenticatedData: Uint8Array;
  epoch: number;
  sender: Member;
  /** The FramedContentTBS (section 6.1) that `signature` is over, with which anybody can check it again. */
  signed: Uint8Array;
  signature: Uint8Array;
}

/** A Remove that the next commit may carry; it is kept in the group that comes with it. */
export interface ProposalReceived {
  kind: "proposal";
  leaf: number;
  /** A member, or the index of a sender from outside (`external_senders`). */
  sender: { member: Member } | { external: number };
  authenticatedData: Uint8Array;
}

export interface CommitApplied {
  kind: "commit";
  committer: Member;
  added: Member[];
  /** `by`: the leaf that asked for it, the committer's or a proposer's; null for a sender from outside. */
  removed: { member: Member; by: number | null }[];
  extensionsChanged: boolean;
  authenticatedData: Uint8Array;
  /** This member is out: the group that comes with it sends and opens nothing more. */
  removedSelf: boolean;
}

export type Received = ApplicationMessage | ProposalReceived | CommitApplied;

type Framed = Extract<Peeked, { kind: "private" | "public" }>;

export async function processMessage(
  state: ClientState,
  bytes: Uint8Array,
  authenticate: Authenticate,
): Promise<{ state: ClientState; received: Received }> {
  if (state.groupActiveState.kind !== "active")
    throw new MlsFault("not_member", "out of the group");
  const message = parseMessage(bytes);
  const seen = view(message);
  if (seen.kind !== "private" && seen.kind !== "public") throw invalid("not a message to a group");
  // ts-mls compares the id nowhere; a sender from outside signs it, and nothing else of the group.
  if (!same(seen.group, state.groupContext.groupId)) throw invalid("a message to another group");
  checkEpoch(state, seen);
  if (message.wireformat === wireformats.mls_public_message)
    return fromOutside(state, message, authenticate);
  if (message.wireformat !== wireformats.mls_private_message) throw invalid("not for a group");
  return fromMember(state, message, authenticate);
}

function checkEpoch(state: ClientState, seen: Framed): void {
  const epoch = Number(state.groupContext.epoch);
  if (seen.epoch > epoch) throw new MlsFault("ahead", "an epoch not reached yet");
  if (seen.epoch === epoch) return;
  const late = seen.kind === "private" && seen.content === "application";
  if (!late || !state.historicalReceiverData.has(BigInt(seen.epoch)))
    throw new MlsFault("behind", "an epoch whose keys are gone");
}

// --- from a sender outside the group

/** Handshakes of members travel encrypted: in the clear there are only Removes by `external_senders`. */
async function fromOutside(
  state: ClientState,
  message: Extract<MlsMessage, { wireformat: typeof wireformats.mls_public_message }>,
  authenticate: Authenticate,
): Promise<{ state: ClientState; received: ProposalReceived }> {
  const { publicMessage } = message;
  const { content } = publicMessage;
  if (content.sender.senderType !== senderTypes.external) throw invalid("a handshake in the clear");
  if (content.contentType !== contentTypes.proposal) throw invalid("no proposal");
  const leaf = checkRemove(state, content.proposal);
  const { newState } = await run(authenticate, 0, (context) =>
    processPublicMessage({ context, state, publicMessage, callback: () => "accept" }),
  );
  const sender = { external: content.sender.senderIndex };
  const { authenticatedData } = content;
  return { state: newState, received: { kind: "proposal", leaf, sender, authenticatedData } };
}

/** A proposal of the kind that Chappe uses, of a leaf that is there. Throws an `invalid` fault. */
function checkRemove(state: ClientState, proposal: Proposal): number {
  const leaf = removedLeaf(proposal);
  if (leaf === undefined) throw invalid("a proposal that is no Remove");
  if (memberAt(state.ratchetTree, leaf) === undefined) throw invalid("nobody is at that leaf");
  return leaf;
}

// --- from a member

/** What mends.ts has ts-mls tell, too. */
interface Mended {
  sender: number;
  signed: Uint8Array;
  signature: Uint8Array;
}

type Seen = Parameters<IncomingMessageCallback>[0];

async function fromMember(
  state: ClientState,
  message: Extract<MlsMessage, { wireformat: typeof wireformats.mls_private_message }>,
  authenticate: Authenticate,
): Promise<{ state: ClientState; received: Received }> {
  const { privateMessage } = message;
  let seen: Seen | undefined;
  let problem: unknown;
  // ts-mls cannot process a commit that puts this member out: there is no path secret for it. It is stopped
  // before it tries; the message's signature has been checked by then.
  const callback: IncomingMessageCallback = (incoming) => {
    seen = incoming;
    try {
      check(state, incoming);
    } catch (refused) {
      problem = refused;
      return "reject";
    }
    return incoming.kind === "commit" && removesSelf(state, incoming.proposals)
      ? "reject"
      : "accept";
  };
  const result = await run(authenticate, 0, (context) =>
    processPrivateMessage({ context, state, privateMessage, callback }),
  );
  if (problem !== undefined) throw problem;
  if (result.kind === "applicationMessage") {
    const { sender, signed, signature } = result as typeof result & Mended;
    const { message: data, aad: authenticatedData } = result;
    const epoch = Number(privateMessage.epoch);
    const said = { epoch, data, authenticatedData, signed, signature };
    return opened(state, result.newState, sender, said);
  }
  if (seen === undefined) throw invalid("the engine told nothing");
  if (seen.kind === "proposal") return proposed(state, result.newState, seen.proposal, result.aad);
  return committed(state, result.newState, { seen, authenticatedData: result.aad }, authenticate);
}

function opened(
  before: ClientState,
  after: ClientState,
  leaf: number,
  said: Omit<ApplicationMessage, "kind" | "sender">,
): { state: ClientState; received: ApplicationMessage } {
  const past = before.historicalReceiverData.get(BigInt(said.epoch));
  const sender = memberAt(past?.ratchetTree ?? before.ratchetTree, leaf);
  if (sender === undefined || leaf === before.privatePath.leafIndex)
    throw invalid("of nobody else");
  return { state: after, received: { kind: "application", ...said, sender } };
}

function proposed(
  before: ClientState,
  after: ClientState,
  { proposal, senderLeafIndex }: ProposalWithSender,
  authenticatedData: Uint8Array,
): { state: ClientState; received: ProposalReceived } {
  const leaf = checkRemove(before, proposal);
  const sender = memberAt(before.ratchetTree, senderLeafIndex ?? -1);
  if (sender === undefined) throw invalid("of nobody");
  const received = { kind: "proposal" as const, leaf, sender: { member: sender } };
  return { state: after, received: { ...received, authenticatedData } };
}

/** Before anything is applied. Throws an `invalid` fault. */
function check(state: ClientState, incoming: Seen): void {
  if (incoming.kind === "proposal") {
    if (incoming.proposal.senderLeafIndex === state.privatePath.leafIndex) throw invalid("own");
    return;
  }
  // Nobody lets themselves in, and no group of Chappe's ends in another.
  if (incoming.senderLeafIndex === undefined) throw invalid("an external commit");
  if (incoming.senderLeafIndex === state.privatePath.leafIndex) throw invalid("an own commit");
  for (const { proposal } of incoming.proposals) {
    if (proposal.proposalType === defaultProposalTypes.reinit) throw invalid("a ReInit");
    if (proposal.proposalType === defaultProposalTypes.add && "add" in proposal)
      checkLifetime(proposal.add.keyPackage.leafNode.lifetime);
  }
}

const removesSelf = (state: ClientState, proposals: ProposalWithSender[]): boolean =>
  proposals.some(({ proposal }) => removedLeaf(proposal) === state.privatePath.leafIndex);

async function committed(
  before: ClientState,
  after: ClientState,
  {
    seen,
    authenticatedData,
  }: { seen: Extract<Seen, { kind: "commit" }>; authenticatedData: Uint8Array },
  authenticate: Authenticate,
): Promise<{ state: ClientState; received: CommitApplied }> {
  const committer = memberAt(before.ratchetTree, seen.senderLeafIndex ?? -1);
  if (committer === undefined) throw invalid("a commit of nobody");
  const removed = seen.proposals.flatMap(({ proposal, senderLeafIndex }) => {
    const leaf = removedLeaf(proposal);
    const gone = leaf === undefined ? undefined : memberAt(before.ratchetTree, leaf);
    return gone === undefined ? [] : [{ member: gone, by: senderLeafIndex ?? null }];
  });
  const removedSelf = removesSelf(before, seen.proposals);
  if (removedSelf) {
    const received = {
      kind: "commit" as const,
      committer,
      removed,
      removedSelf,
      authenticatedData,
    };
    return {
      state: { ...before, unappliedProposals: {}, groupActiveState: { kind: "removedFromGroup" } },
      received: { ...received, added: [], extensionsChanged: false },
    };
  }
  const added = newcomers(before, after, new Set(removed.map((one) => one.member.leaf)));
  const [old, fresh] = [before, after].map((one) => extensions(one.groupContext.extensions));
  const extensionsChanged = !sameExtensions(old ?? [], fresh ?? []);
  if (extensionsChanged)
    for (const sender of externalSenders(fresh ?? []))
      await authenticate(sender.identity, sender.signatureKey, true);
  return {
    state: after,
    received: {
      kind: "commit",
      committer,
      added,
      removed,
      extensionsChanged,
      authenticatedData,
      removedSelf,
    },
  };
}

/** Who is at a leaf that was free. A member that stayed is who it was (the strictest rule of section 5.3.1).
 * Throws an `invalid` fault. */
function newcomers(before: ClientState, after: ClientState, freed: Set<number>): Member[] {
  const old = new Map(members(before.ratchetTree).map((one) => [one.leaf, one]));
  for (const leaf of freed) old.delete(leaf);
  return members(after.ratchetTree).filter((now) => {
    const was = old.get(now.leaf);
    if (was === undefined) return true;
    if (!same(was.identity, now.identity) || !same(was.signatureKey, now.signatureKey))
      throw invalid("a member became another");
    return false;
  });
}
