/**
 * A group's state in two parts, as they are stored: `shared`, which changes with the epoch only and is large
 * (trees), and `secret`, which changes with each message and is small. ts-mls has one encoding of the whole
 * state, trees of past epochs included; each part here is that encoding with the rest left empty.
 */

import {
  type ClientState,
  clientStateDecoder,
  clientStateEncoder,
  decode,
  encode,
  nodeTypes,
} from "ts-mls";
import { concat, opaque, Reader } from "./bytes";
import { malformed } from "./errors";

/** A state, and for each past epoch until when its keys are kept, in Unix seconds. */
export interface Kept {
  state: ClientState;
  until: ReadonlyMap<bigint, number>;
}

type Public = Pick<ClientState, "groupContext" | "ratchetTree">;

const nothing = new Uint8Array();
/** As small as a tree can be that ts-mls reads. */
const noNodes: Public["ratchetTree"] = [
  {
    nodeType: nodeTypes.parent,
    parent: { hpkePublicKey: nothing, parentHash: nothing, unmergedLeaves: [] },
  },
];
const noTree = { leafWidth: 1, intermediateNodes: {}, leafNodes: {} };

/** What stands where a part leaves the private half out. */
const noSecrets: Omit<ClientState, keyof Public> = {
  keySchedule: {
    senderDataSecret: nothing,
    exporterSecret: nothing,
    externalSecret: nothing,
    confirmationKey: nothing,
    membershipKey: nothing,
    resumptionPsk: nothing,
    epochAuthenticator: nothing,
    initSecret: nothing,
  },
  secretTree: noTree,
  privatePath: { leafIndex: 0, privateKeys: {} },
  signaturePrivateKey: nothing,
  unappliedProposals: {},
  confirmationTag: nothing,
  historicalReceiverData: new Map(),
  groupActiveState: { kind: "active" },
};

const encodePublic = ({ groupContext, ratchetTree }: Public): Uint8Array =>
  encode(clientStateEncoder, { ...noSecrets, groupContext, ratchetTree });

function decodePublic(bytes: Uint8Array): Public {
  const { groupContext, ratchetTree } = decoded(bytes);
  return { groupContext, ratchetTree };
}

export function sharedBytes({ state }: Kept): Uint8Array {
  const past = [...state.historicalReceiverData.values()];
  return concat(opaque(encodePublic(state)), ...past.map((one) => opaque(encodePublic(one))));
}

export function secretBytes({ state, until }: Kept): Uint8Array {
  const historicalReceiverData = new Map(
    [...state.historicalReceiverData].map(([epoch, data]) => [
      epoch,
      { ...data, ratchetTree: noNodes, groupContext: { ...data.groupContext, extensions: [] } },
    ]),
  );
  const groupContext = { ...state.groupContext, extensions: [] };
  const small = { ...state, groupContext, ratchetTree: noNodes, historicalReceiverData };
  const times = [...until].map(([epoch, at]) => concat(number(Number(epoch)), number(at)));
  return concat(opaque(encode(clientStateEncoder, small)), ...times);
}

/** Throws a `malformed` fault. */
export function fromParts(shared: Uint8Array, secret: Uint8Array): Kept {
  const trees = new Reader(shared);
  const { groupContext, ratchetTree } = decodePublic(trees.opaque());
  const past = new Map<bigint, Public>();
  while (!trees.empty) {
    const one = decodePublic(trees.opaque());
    past.set(one.groupContext.epoch, one);
  }
  const reader = new Reader(secret);
  const small = decoded(reader.opaque());
  if (small.groupContext.epoch !== groupContext.epoch) throw malformed("parts of two epochs");
  const until = new Map<bigint, number>();
  while (!reader.empty) until.set(BigInt(reader.number(8)), reader.number(8));
  const historicalReceiverData = new Map(
    [...small.historicalReceiverData].map(([epoch, data]) => {
      const full = past.get(epoch);
      if (full === undefined) throw malformed("a past epoch without its tree");
      return [epoch, { ...data, ...full }];
    }),
  );
  return { state: { ...small, groupContext, ratchetTree, historicalReceiverData }, until };
}

function decoded(bytes: Uint8Array): ClientState {
  let state: ClientState | undefined;
  try {
    state = decode(clientStateDecoder, bytes);
  } catch {
    state = undefined;
  }
  if (state === undefined) throw malformed("not a stored group");
  return state;
}

function number(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}
