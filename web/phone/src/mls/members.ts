/** What a group's state says of its members and of what waits, without ts-mls's own shapes. */

import {
  type ClientState,
  defaultProposalTypes,
  type GroupContextExtension,
  type LeafNode,
  nodeTypes,
  type Proposal,
  type ProposalWithSender,
} from "ts-mls";
import { Reader, same } from "./bytes";
import { EXTERNAL_SENDERS } from "./engine";
import { malformed } from "./errors";

export interface Member {
  leaf: number;
  identity: Uint8Array;
  signatureKey: Uint8Array;
}

/** A GroupContext extension. */
export interface Extension {
  type: number;
  data: Uint8Array;
}

/** Who may propose from outside, by index. */
export interface ExternalSender {
  signatureKey: Uint8Array;
  identity: Uint8Array;
}

/** A Remove that waits for a commit. `sender`: a leaf, or null for a sender from outside. */
export interface PendingRemove {
  leaf: number;
  sender: number | null;
}

const BASIC = 1;

export function leaves(tree: ClientState["ratchetTree"]): { index: number; leaf: LeafNode }[] {
  return tree.flatMap((node, index) =>
    node?.nodeType === nodeTypes.leaf ? [{ index: index / 2, leaf: node.leaf }] : [],
  );
}

export function member(index: number, leaf: LeafNode): Member {
  const { credential, signaturePublicKey } = leaf;
  const identity = "identity" in credential ? credential.identity : undefined;
  return {
    leaf: index,
    identity: identity instanceof Uint8Array ? identity : new Uint8Array(),
    signatureKey: signaturePublicKey,
  };
}

export const members = (tree: ClientState["ratchetTree"]): Member[] =>
  leaves(tree).map(({ index, leaf }) => member(index, leaf));

export function memberAt(tree: ClientState["ratchetTree"], index: number): Member | undefined {
  const node = tree[2 * index];
  return node?.nodeType === nodeTypes.leaf ? member(index, node.leaf) : undefined;
}

/** Those that hold bytes; `required_capabilities`, which Chappe does not use, is left out. */
export function extensions(of: GroupContextExtension[]): Extension[] {
  return of.flatMap(({ extensionType, extensionData }) =>
    // mends.ts leaves `external_senders` as bytes.
    (extensionData as unknown) instanceof Uint8Array
      ? [{ type: extensionType, data: extensionData as unknown as Uint8Array }]
      : [],
  );
}

/** The way back. The types of ts-mls know only its own idea of `external_senders`. */
export const asGroupContextExtension = ({ type, data }: Extension): GroupContextExtension =>
  ({ extensionType: type, extensionData: data }) as unknown as GroupContextExtension;

/** Throws a `malformed` fault. */
export function externalSenders(of: Extension[]): ExternalSender[] {
  const data = of.find((one) => one.type === EXTERNAL_SENDERS)?.data;
  if (data === undefined) return [];
  const whole = new Reader(data);
  const list = new Reader(whole.opaque());
  if (!whole.empty) throw malformed("more than a list of external senders");
  const found: ExternalSender[] = [];
  while (!list.empty) {
    const signatureKey = list.opaque();
    if (list.number(2) !== BASIC) throw malformed("an external sender of another kind");
    found.push({ signatureKey, identity: list.opaque() });
  }
  return found;
}

export const removedLeaf = (proposal: Proposal): number | undefined =>
  proposal.proposalType === defaultProposalTypes.remove && "remove" in proposal
    ? proposal.remove.removed
    : undefined;

export function pendingRemoves(proposals: Record<string, ProposalWithSender>): PendingRemove[] {
  return Object.values(proposals).flatMap(({ proposal, senderLeafIndex }) => {
    const leaf = removedLeaf(proposal);
    return leaf === undefined ? [] : [{ leaf, sender: senderLeafIndex ?? null }];
  });
}

export const sameExtensions = (a: Extension[], b: Extension[]): boolean =>
  a.length === b.length &&
  a.every((one, at) => one.type === b[at]?.type && same(one.data, b[at].data));
