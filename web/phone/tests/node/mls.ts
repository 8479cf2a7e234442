/**
 * The phone's MLS face behind a line protocol. States are held as the bytes that the phone stores, and read
 * anew for each operation. Bytes are hex; `client` is a name within this process.
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import {
  type Change,
  createKeyPackage,
  DESCRIPTION,
  EXTERNAL_SENDERS,
  externalSenders,
  Group,
  MlsFault,
  peek,
  type Signer,
  same,
  welcomeRefs,
} from "../../src/mls";
import { hex, type Operation, serve, unhex } from "./lines";

interface Client {
  signer: Signer;
  identity: Uint8Array;
  bundles: { ref: Uint8Array; stored: Uint8Array }[];
  parts: [Uint8Array, Uint8Array] | undefined;
  next: [Uint8Array, Uint8Array] | undefined;
}

const clients = new Map<string, Client>();
/** Identities that the hook refuses. */
const refused = new Set<string>();

function find(name: unknown): Client {
  const client = clients.get(String(name));
  if (client === undefined) throw new TypeError(`no client ${String(name)}`);
  return client;
}

function groupOf(client: Client): Group {
  if (client.parts === undefined) throw new TypeError("in no group");
  return Group.fromParts(...client.parts);
}

function keep(client: Client, group: Group): void {
  client.parts = [group.sharedBytes(), group.secretBytes()];
}

class Refused extends Error {}

const authenticate = (identity: Uint8Array): void => {
  if (refused.has(hex(identity))) throw new Refused("refused");
};

const now = (args: Record<string, unknown>): number =>
  Number(args.now ?? Math.floor(Date.now() / 1000));

async function view(group: Group): Promise<unknown> {
  return {
    epoch: group.epoch,
    authenticator: hex(group.epochAuthenticator),
    opener: hex(await group.export("chappe lock", new Uint8Array(), 32)),
    own_leaf: group.ownLeaf,
    members: group.members.map((one) => [one.leaf, hex(one.identity), hex(one.signatureKey)]),
    description: hex(group.extension(DESCRIPTION) ?? new Uint8Array()),
    senders: externalSenders(group.extensions).map((one) => hex(one.signatureKey)),
    pending: group.pending.map((one) => [one.leaf, one.sender]),
  };
}

function changeOf(one: Record<string, unknown>): Change {
  if (one.kind === "add") return { kind: "add", keyPackage: unhex(one.key_package) };
  if (one.kind === "remove") return { kind: "remove", leaf: Number(one.leaf) };
  return { kind: "extension", type: Number(one.type), data: unhex(one.data) };
}

const operations: Record<string, Operation> = {
  client: ({ client, identity }) => {
    const privateKey = ed25519.utils.randomSecretKey();
    const publicKey = ed25519.getPublicKey(privateKey);
    clients.set(String(client), {
      signer: { privateKey, publicKey },
      identity: unhex(identity),
      bundles: [],
      parts: undefined,
      next: undefined,
    });
    return hex(publicKey);
  },
  refuse: ({ identity }) => {
    refused.add(String(identity));
  },
  key_package: async ({ client, last_resort, ...args }) => {
    const owner = find(client);
    const at = now(args);
    const made = await createKeyPackage({
      signer: owner.signer,
      identity: owner.identity,
      notBefore: at - 24 * 3600,
      notAfter: at + Number(args.lifetime ?? 90 * 24 * 3600),
      lastResort: last_resort === true,
    });
    owner.bundles.push(made);
    return hex(made.message);
  },
  create: async ({ client, group, description, senders, ...args }) => {
    const owner = find(client);
    const extensions = [{ type: DESCRIPTION, data: unhex(description) }];
    if (senders !== undefined) extensions.push({ type: EXTERNAL_SENDERS, data: unhex(senders) });
    const { signer, identity } = owner;
    const id = unhex(group);
    const made = await Group.create({
      id,
      signer,
      identity,
      extensions,
      now: now(args),
      authenticate,
    });
    keep(owner, made);
    return view(made);
  },
  join: async ({ client, welcome }) => {
    const owner = find(client);
    const refs = welcomeRefs(unhex(welcome));
    const bundle = owner.bundles.find((one) => refs.some((ref) => same(ref, one.ref)));
    if (bundle === undefined) throw new TypeError("for none of the key packages");
    const group = await Group.join(unhex(welcome), bundle.stored, owner.signer, authenticate);
    keep(owner, group);
    return view(group);
  },
  commit: async ({ client, changes, authenticated_data, ...args }) => {
    const owner = find(client);
    const authenticatedData = unhex(authenticated_data ?? "");
    const options = { now: now(args), authenticate, authenticatedData };
    const wanted = (changes as Record<string, unknown>[]).map(changeOf);
    const made = await groupOf(owner).commit(wanted, options);
    owner.next = [made.group.sharedBytes(), made.group.secretBytes()];
    return { message: hex(made.message), welcome: made.welcome && hex(made.welcome) };
  },
  adopt: async ({ client }) => {
    const owner = find(client);
    if (owner.next === undefined) throw new TypeError("no commit is under way");
    const group = Group.fromParts(...owner.next).carryOver(groupOf(owner));
    owner.next = undefined;
    keep(owner, group);
    return view(group);
  },
  propose_remove: async ({ client, leaf, ...args }) => {
    const owner = find(client);
    const made = await groupOf(owner).proposeRemove(Number(leaf), now(args));
    keep(owner, made.group);
    return hex(made.message);
  },
  encrypt: async ({ client, data, padding, ...args }) => {
    const owner = find(client);
    const options = { now: now(args), padding: Number(padding ?? 0) };
    const made = await groupOf(owner).encrypt(unhex(data), options);
    keep(owner, made.group);
    return hex(made.message);
  },
  process: async ({ client, message, ...args }) => {
    const owner = find(client);
    const options = { now: now(args), authenticate };
    const { group, received } = await groupOf(owner).process(unhex(message), options);
    keep(owner, group);
    owner.next = received.kind === "commit" ? undefined : owner.next;
    if (received.kind === "application")
      return { ...received, data: hex(received.data), sender: received.sender.leaf };
    if (received.kind === "proposal") {
      const { leaf, sender } = received;
      const external = "external" in sender;
      return {
        kind: "proposal",
        leaf,
        external,
        sender: external ? sender.external : sender.member.leaf,
      };
    }
    return {
      kind: received.kind,
      extensionsChanged: received.extensionsChanged,
      removedSelf: received.removedSelf,
      authenticated_data: hex(received.authenticatedData),
      committer: received.committer.leaf,
      added: received.added.map((one) => one.leaf),
      removed: received.removed.map((one) => [one.member.leaf, one.by]),
      view: received.removedSelf ? null : await view(group),
    };
  },
  expire: ({ client, ...args }) => {
    const owner = find(client);
    const before = groupOf(owner);
    const after = before.withoutExpired(now(args));
    keep(owner, after);
    return after !== before;
  },
  peek: ({ message }) => {
    const seen = peek(unhex(message));
    return "group" in seen ? { ...seen, group: hex(seen.group) } : seen;
  },
  view: ({ client }) => view(groupOf(find(client))),
  sizes: ({ client }) => find(client).parts?.map((part) => part.length),
  parts: ({ client }) => find(client).parts?.map(hex),
};

await serve(operations, (problem) => {
  if (problem instanceof MlsFault) return problem.kind;
  return problem instanceof Refused ? "refused" : "bug";
});
