/**
 * The operations. Each takes the request's fields and gives the `ok` of the answer; it may throw, and then
 * nothing that is held has changed. `client` and `group` are names within this process.
 *
 *     client         suite, identity                 {signature_key}
 *     psk            psk_id, secret                  {}             a PSK that the client knows from now on
 *     key_package    last_resort?                    {message, ref} held until `drop`
 *     create         group, group_id                 a state
 *     join           group, welcome                  a state
 *     external_join  group, group_info, resync?, aad?    {message}  then `adopt` or `discard`
 *     propose        group, kind, key_package? | leaf? | psk_id?, public?, aad?, padding?     {message}
 *     commit         group, add?, remove?, psk?, public?, ratchet_tree?, aad?, padding?
 *                                                    {message, welcome | null, epoch}  then `adopt` or `discard`
 *     adopt, discard group                           a state
 *     process        group, message                  {kind: application | proposal | commit, ...}, see `process`
 *     encrypt        group, data, aad?, padding?     {message}
 *     group_info     group                           {message} with external_pub and ratchet_tree
 *     state          group                           a state
 *     export         group, label, context, length   {secret}
 *     fingerprint    group                           {digest} of everything that is held of the group
 *     drop           group?                          {}   the group, or the whole client
 */

import {
  clientStateEncoder,
  contentTypes,
  createApplicationMessage,
  createCommit,
  createGroup,
  createGroupInfoWithExternalPubAndRatchetTree,
  createProposal,
  defaultExtensionTypes,
  defaultLifetime,
  defaultProposalTypes,
  encode,
  generateKeyPackageWithKey,
  joinGroup,
  joinGroupExternal,
  makeKeyPackageRef,
  mlsExporter,
  nodeTypes,
  processPrivateMessage,
  processPublicMessage,
  pskTypes,
  wireformats,
} from "ts-mls";
import { createHash } from "node:crypto";
import { fromHex, readMessage, toHex, writeMessage } from "./bytes.mjs";
import { Client } from "./client.mjs";
import { makeUpdate, withOwnUpdate } from "./update.mjs";

const LAST_RESORT = 0x000a;

/** @type {Map<string, Client>} */
const clients = new Map();

/** @param {string} name @returns {Client} @throws {ReferenceError} */
function find(name) {
  const client = clients.get(name);
  if (client === undefined) throw new ReferenceError(`no client ${name}`);
  return client;
}

const proposalNames = new Map(Object.entries(defaultProposalTypes).map(([name, type]) => [type, name]));

/** @param {import("ts-mls").ProposalWithSender} p */
const viewProposal = ({ proposal, senderLeafIndex }) => ({
  type: proposalNames.get(proposal.proposalType) ?? String(proposal.proposalType),
  sender: senderLeafIndex ?? null,
});

/** @param {import("ts-mls").ClientState} state @returns {object} what the answers call a state */
function view(state) {
  const leaves = state.ratchetTree.flatMap((node, index) =>
    node?.nodeType === nodeTypes.leaf ? [{ index: index / 2, leaf: node.leaf }] : [],
  );
  return {
    group_id: toHex(state.groupContext.groupId),
    epoch: Number(state.groupContext.epoch),
    epoch_authenticator: toHex(state.keySchedule.epochAuthenticator),
    tree_hash: toHex(state.groupContext.treeHash),
    own_leaf: state.privatePath.leafIndex,
    active: state.groupActiveState.kind === "active",
    pending_proposals: Object.values(state.unappliedProposals).map(viewProposal),
    members: leaves.map(({ index, leaf }) => ({
      leaf: index,
      identity: toHex(leaf.credential.identity ?? new Uint8Array()),
      signature_key: toHex(leaf.signaturePublicKey),
    })),
  };
}

// Clients --------------------------------------------------------------------------------------------------

async function client({ client: name, suite, identity }) {
  const made = await Client.create(suite, fromHex(identity));
  clients.set(name, made);
  return { signature_key: toHex(made.signer.publicKey) };
}

async function psk({ client: name, psk_id: id, secret }) {
  find(name).addPsk(fromHex(id), fromHex(secret));
  return {};
}

async function newKeyPackage(owner, lastResort = false) {
  return generateKeyPackageWithKey({
    credential: owner.credential,
    capabilities: lastResort
      ? { ...owner.capabilities, extensions: [LAST_RESORT, ...owner.capabilities.extensions] }
      : owner.capabilities,
    lifetime: defaultLifetime(),
    extensions: lastResort ? [{ extensionType: LAST_RESORT, extensionData: new Uint8Array() }] : [],
    signatureKeyPair: owner.signer,
    cipherSuite: owner.suite,
  });
}

async function key_package({ client: name, last_resort: lastResort }) {
  const owner = find(name);
  const made = await newKeyPackage(owner, lastResort);
  const ref = toHex(await makeKeyPackageRef(made.publicPackage, owner.suite.hash));
  owner.keyPackages.set(ref, made);
  const message = writeMessage({ wireformat: wireformats.mls_key_package, keyPackage: made.publicPackage });
  return { message, ref };
}

async function drop({ client: name, group }) {
  if (group === undefined) clients.delete(name);
  else find(name).groups.delete(group);
  return {};
}

// Founding and joining ---------------------------------------------------------------------------------------

/** Hold a state under a name that is free. */
function enter(owner, group, state, next) {
  if (owner.groups.has(group)) throw new TypeError(`group ${group} exists`);
  owner.groups.set(group, { state, next, updates: new Map() });
}

async function create({ client: name, group, group_id: groupId }) {
  const owner = find(name);
  const { publicPackage, privatePackage } = await newKeyPackage(owner);
  const state = await createGroup({
    context: owner.context(),
    groupId: fromHex(groupId),
    keyPackage: publicPackage,
    privateKeyPackage: privatePackage,
  });
  enter(owner, group, state);
  return view(state);
}

async function join({ client: name, group, welcome: text }) {
  const owner = find(name);
  const { welcome } = readMessage(text, wireformats.mls_welcome);
  const own = welcome.secrets.map((secret) => owner.keyPackages.get(toHex(secret.newMember))).find(Boolean);
  if (own === undefined) throw new ReferenceError("the Welcome is for none of the key packages");
  const { publicPackage: keyPackage, privatePackage: privateKeys } = own;
  const state = await joinGroup({ context: owner.context(), welcome, keyPackage, privateKeys });
  enter(owner, group, state);
  return view(state);
}

/** Joins with a fresh key package of the client; a resync replaces the state of the same name, once adopted. */
async function external_join({ client: name, group, group_info: text, resync = false, aad = "" }) {
  const owner = find(name);
  const { groupInfo } = readMessage(text, wireformats.mls_group_info);
  if (resync && !holdsKey(groupInfo, owner.signer.publicKey)) throw new ReferenceError("no former leaf to resync");
  const { publicPackage: keyPackage, privatePackage: privateKeys } = await newKeyPackage(owner);
  const context = owner.context();
  const authenticatedData = fromHex(aad);
  const made = await joinGroupExternal({ context, groupInfo, keyPackage, privateKeys, resync, authenticatedData });
  if (owner.groups.has(group) && resync) owner.group(group).next = made.newState;
  else enter(owner, group, undefined, made.newState);
  return { message: writeMessage({ wireformat: wireformats.mls_public_message, publicMessage: made.publicMessage }) };
}

/** Whether the GroupInfo's tree has that signature key; without, a resync never ends (quirk 11). */
const holdsKey = (groupInfo, key) =>
  groupInfo.extensions.some(
    ({ extensionType, extensionData }) =>
      extensionType === defaultExtensionTypes.ratchet_tree && Buffer.from(extensionData).includes(key),
  );

async function group_info({ client: name, group }) {
  const owner = find(name);
  const groupInfo = await createGroupInfoWithExternalPubAndRatchetTree(owner.joined(group).state, [], owner.suite);
  return { message: writeMessage({ wireformat: wireformats.mls_group_info, groupInfo }) };
}

// Proposals and commits --------------------------------------------------------------------------------------

const addProposal = (text) => ({
  proposalType: defaultProposalTypes.add,
  add: { keyPackage: readMessage(text, wireformats.mls_key_package).keyPackage },
});

const removeProposal = (leaf) => ({ proposalType: defaultProposalTypes.remove, remove: { removed: leaf } });

const pskProposal = (owner, id) => ({
  proposalType: defaultProposalTypes.psk,
  psk: {
    preSharedKeyId: {
      psktype: pskTypes.external,
      pskId: fromHex(id),
      pskNonce: owner.suite.rng.randomBytes(owner.suite.kdf.size),
    },
  },
});

async function propose({ client: name, group, kind, key_package: keyPackage, leaf, psk_id: pskId, ...options }) {
  const owner = find(name);
  const held = owner.joined(group);
  const update = kind === "update" ? await makeUpdate(held.state, owner.suite) : undefined;
  const makers = {
    add: () => addProposal(keyPackage),
    remove: () => removeProposal(leaf),
    psk: () => pskProposal(owner, pskId),
    update: () => ({ proposalType: defaultProposalTypes.update, update: { leafNode: update.leafNode } }),
  };
  if (!Object.hasOwn(makers, kind)) throw new TypeError(`no proposal ${kind}`);
  const made = await createProposal({
    context: owner.context(options.padding),
    state: held.state,
    wireAsPublicMessage: options.public ?? false,
    proposal: makers[kind](),
    authenticatedData: fromHex(options.aad ?? ""),
  });
  held.state = made.newState;
  if (update) held.updates.set(toHex(update.leafNode.hpkePublicKey), update.privateKey);
  return { message: writeMessage(made.message) };
}

/** All pending proposals by reference, and the given ones by value (quirk 13). */
async function commit({ client: name, group, add = [], remove = [], psk: psks = [], ...options }) {
  const owner = find(name);
  const held = owner.joined(group);
  const made = await createCommit({
    context: owner.context(options.padding),
    state: held.state,
    wireAsPublicMessage: options.public ?? false,
    ratchetTreeExtension: options.ratchet_tree ?? true,
    extraProposals: [
      ...add.map(addProposal),
      ...remove.map(removeProposal),
      ...psks.map((id) => pskProposal(owner, id)),
    ],
    authenticatedData: fromHex(options.aad ?? ""),
  });
  held.next = made.newState;
  return {
    message: writeMessage(made.commit),
    welcome: made.welcome === undefined ? null : writeMessage(made.welcome),
    epoch: Number(made.newState.groupContext.epoch),
  };
}

/** The commit under way is accepted. Keys that the old state spent meanwhile stay spent (quirk 7). */
async function adopt({ client: name, group }) {
  const held = find(name).group(group);
  const { state, next } = held;
  if (next === undefined) throw new ReferenceError("no commit is under way");
  const past = state && next.historicalReceiverData.get(state.groupContext.epoch);
  if (past !== undefined) {
    const historicalReceiverData = new Map(next.historicalReceiverData);
    for (const [epoch, data] of state.historicalReceiverData)
      if (historicalReceiverData.has(epoch)) historicalReceiverData.set(epoch, data);
    historicalReceiverData.set(state.groupContext.epoch, { ...past, secretTree: state.secretTree });
    settle(held, { ...next, historicalReceiverData });
  } else settle(held, next);
  return view(held.state);
}

async function discard({ client: name, group }) {
  const owner = find(name);
  const held = owner.group(group);
  if (held.next === undefined) throw new ReferenceError("no commit is under way");
  held.next = undefined;
  if (held.state === undefined) owner.groups.delete(group);
  return held.state === undefined ? {} : view(held.state);
}

/** A new epoch: what belonged to the old one goes. */
function settle(held, state) {
  held.state = state;
  held.next = undefined;
  held.updates = new Map();
}

// Messages ---------------------------------------------------------------------------------------------------

async function encrypt({ client: name, group, data, aad = "", padding = 0 }) {
  const owner = find(name);
  const held = owner.joined(group);
  const made = await createApplicationMessage({
    context: owner.context(padding),
    state: held.state,
    message: fromHex(data),
    authenticatedData: fromHex(aad),
  });
  held.state = made.newState;
  return { message: writeMessage(made.message) };
}

/** @returns {Promise<import("ts-mls").ProcessMessageResult>} */
async function open(owner, state, message, callback) {
  const context = owner.context();
  // Not processMessage: see quirk 4.
  if (message.wireformat === wireformats.mls_private_message)
    return processPrivateMessage({ context, state, privateMessage: message.privateMessage, callback });
  const { publicMessage } = message;
  return { kind: "newState", ...(await processPublicMessage({ context, state, publicMessage, callback })) };
}

/** @returns {boolean} whether the message is a commit, seen from outside */
function isCommit(message) {
  const type = message.privateMessage?.contentType ?? message.publicMessage?.content.contentType;
  return type === contentTypes.commit;
}

/**
 * {kind: "application", data, aad} | {kind: "proposal", aad, proposal: {type, sender}}
 * | {kind: "commit", aad, committer | null, proposals: [{type, sender}], state}
 *
 * A commit that is taken ends the own one under way: that one lost the race.
 */
async function process({ client: name, group, message: text }) {
  const owner = find(name);
  const held = owner.joined(group);
  const message = readMessage(text, wireformats.mls_private_message, wireformats.mls_public_message);
  let seen;
  let removed = false;
  const watch = (incoming) => {
    seen = incoming;
    removed = incoming.kind === "commit" && removesLeaf(incoming.proposals, held.state.privatePath.leafIndex);
    return removed ? "reject" : "accept";
  };
  const result = await open(owner, await stateFor(owner, held, message), message, watch);
  if (result.kind === "applicationMessage") {
    held.state = result.newState;
    return { kind: "application", data: toHex(result.message), aad: toHex(result.aad) };
  }
  if (seen.kind === "proposal") {
    held.state = result.newState;
    return { kind: "proposal", aad: toHex(result.aad), proposal: viewProposal(seen.proposal) };
  }
  settle(held, removed ? inactive(held.state) : result.newState);
  return {
    kind: "commit",
    aad: toHex(result.aad),
    committer: seen.senderLeafIndex ?? null,
    proposals: seen.proposals.map(viewProposal),
    state: view(held.state),
  };
}

/** The held state; for a commit that carries an own Update, with that Update's private key. */
async function stateFor(owner, held, message) {
  if (!isCommit(message) || held.updates.size === 0) return held.state;
  let proposals = [];
  await open(owner, held.state, message, (incoming) => {
    proposals = incoming.proposals;
    return "reject";
  });
  return withOwnUpdate(held, proposals);
}

/** @param {import("ts-mls").ProposalWithSender[]} proposals @param {number} leaf */
const removesLeaf = (proposals, leaf) => proposals.some(({ proposal }) => proposal.remove?.removed === leaf);

/** Put out by a commit: the old epoch's state, with which nothing can be sent (quirk 6). */
const inactive = (state) => ({ ...state, unappliedProposals: {}, groupActiveState: { kind: "removedFromGroup" } });

// Looking ----------------------------------------------------------------------------------------------------

const state = async ({ client: name, group }) => view(find(name).joined(group).state);

async function export_({ client: name, group, label, context, length }) {
  const owner = find(name);
  const { exporterSecret } = owner.joined(group).state.keySchedule;
  return { secret: toHex(await mlsExporter(exporterSecret, label, fromHex(context), length, owner.suite)) };
}

async function fingerprint({ client: name, group }) {
  const { state: held } = find(name).joined(group);
  return { digest: createHash("sha256").update(encode(clientStateEncoder, held)).digest("hex") };
}

export const operations = {
  adopt,
  client,
  commit,
  create,
  discard,
  drop,
  encrypt,
  export: export_,
  external_join,
  fingerprint,
  group_info,
  join,
  key_package,
  process,
  propose,
  psk,
  state,
};
