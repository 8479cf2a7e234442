/** Update proposals, for which ts-mls exports nothing (quirk 5). */

import { getOwnLeafNode, leafNodeSources } from "ts-mls";
import { toHex } from "./bytes.mjs";

// By path, past the `exports` of ts-mls: the signing of leaves is internal.
const { signLeafNodeCommit } = await import(new URL("./node_modules/ts-mls/dist/src/leafNode.js", import.meta.url));

/**
 * @param {import("ts-mls").ClientState} state
 * @param {import("ts-mls").CiphersuiteImpl} suite
 * @returns {Promise<{leafNode: import("ts-mls").LeafNodeUpdate, privateKey: Uint8Array}>}
 */
export async function makeUpdate(state, suite) {
  const keys = await suite.hpke.generateKeyPair();
  const { signaturePublicKey, credential, capabilities, extensions } = getOwnLeafNode(state);
  const { groupId } = state.groupContext;
  const { leafIndex } = state.privatePath;
  const signed = await signLeafNodeCommit(
    {
      leafNodeSource: leafNodeSources.update,
      hpkePublicKey: await suite.hpke.exportPublicKey(keys.publicKey),
      signaturePublicKey,
      credential,
      capabilities,
      extensions,
      groupId,
      leafIndex,
    },
    state.signaturePrivateKey,
    suite.signature,
  );
  const { groupId: _, leafIndex: __, ...leafNode } = signed;
  return { leafNode, privateKey: await suite.hpke.exportPrivateKey(keys.privateKey) };
}

/**
 * The state to process a commit with: where the commit carries an own Update, with that Update's key.
 *
 * @param {import("./client.mjs").HeldGroup} held
 * @param {import("ts-mls").ProposalWithSender[]} proposals the commit's
 * @returns {import("ts-mls").ClientState}
 */
export function withOwnUpdate({ state, updates }, proposals) {
  const { leafIndex, privateKeys } = state.privatePath;
  const own = proposals.find((p) => p.senderLeafIndex === leafIndex && "update" in p.proposal);
  const key = own && updates.get(toHex(own.proposal.update.leafNode.hpkePublicKey));
  if (key === undefined) return state;
  return { ...state, privatePath: { leafIndex, privateKeys: { ...privateKeys, [2 * leafIndex]: key } } };
}
