/**
 * How a profile comes to be: a code makes a line, a link adds a device to one.
 *
 * The keys are in the store before the relay hears of them: a phone that was killed before it saw the answer
 * says the same again, and is answered the same. Until its PIN is set a profile is unfinished: it opens by the
 * keystore alone, and the same call goes on with it; another call begins anew.
 */

import { type Keeping, newKey } from "../vault/keeping";
import { MIN_DIGITS } from "../vault/pins";
import { Store } from "../vault/store";
import { activateBytes, addDeviceBytes, fromBase64, toBase64 } from "../wire/api";
import { type Bytes, equal, randomBytes, toHex } from "../wire/bytes";
import { checkAddress } from "../wire/certificate";
import { parse as parseCode } from "../wire/codes";
import { ChappeError, error } from "../wire/errors";
import { type ActivationLink, parse as parseLink, type RelayPlace } from "../wire/links";
import { HttpApi } from "./http";
import { linked, Me, newLine, newSigner } from "./identity";
import { type Handover, receive } from "./linking";
import { GUARDED, Opened, type Reach } from "./opened";
import { tables } from "./rows";

const PENDING = "pending";
/** Stands where an activation's code would, in a profile that officers are to let in (`recovering.ts`). */
export const RECOVERY = "recovery";

/** Which call left it: the code and address of an activation; both empty for a link, which has the rest. */
export interface Pending {
  code: string;
  address: string;
  by?: Bytes;
  endorsement?: Bytes;
  /** Of a phone that officers were to let in: it has come. */
  entered?: boolean;
}

/** A link or QR text, or a bare code of this relay. Raises link.malformed, code.malformed. */
export function readActivation(text: string, here: RelayPlace): ActivationLink {
  if (!text.trim().startsWith("chappe://"))
    return { kind: "activation", place: here, code: parseCode(text), fleetKey: new Uint8Array() };
  const link = parseLink(text);
  if (link.kind !== "activation")
    throw error("link.malformed", "That link adds a device to a line; open it on one that has it.");
  return link;
}

/** A new line, open; its PIN is to be set. Raises code.*, address.*, storage.*, network.*. */
export async function activate(
  keeping: Keeping,
  reach: Reach,
  link: ActivationLink,
  bare: boolean,
  name: string,
  judge: (address: string, least: number) => void,
): Promise<Opened> {
  const api = new HttpApi(reach(link.place));
  const server = (await api.info()).name;
  const address = checkAddress(name.includes("@") ? name : `${name}@${server}`);
  if (!address.endsWith(`@${server}`))
    throw error("address.malformed", `Addresses of this relay end in @${server}.`);
  const { fleetKey, pinLength } = await organisationOf(api, link, bare);
  judge(address, pinLength);
  const pending = { code: link.code, address };
  let store = await unfinished(keeping, pending);
  if (store === null) {
    const me = newLine(address, link.place, fleetKey, now());
    store = await begin(keeping, pending, me, null);
  }
  return tell(keeping, store, reach, async (me) => {
    const certificate = me.certificateBytes;
    const proof = me.sign(activateBytes(me.server, link.code, certificate));
    const body = { certificate: toBase64(certificate), proof: toBase64(proof) };
    await api.activate({ code: link.code, ...body });
  });
}

/** The organisation's key, which a link names: the relay's word counts for a bare code alone. */
export async function organisationOf(
  api: HttpApi,
  link: ActivationLink,
  bare: boolean,
): Promise<{ name: string; fleetKey: Bytes; pinLength: number }> {
  const { name, fleet_key, pin_length } = await api.codeFor(link.code).catch((problem) => {
    // A relay without organisations: a line of one could not be made there.
    if (problem instanceof ChappeError && problem.code === "http.unknown_path")
      return { name: "", fleet_key: "", pin_length: MIN_DIGITS };
    throw problem;
  });
  const fleetKey = fromBase64(fleet_key);
  if (!bare && !equal(fleetKey, link.fleetKey))
    throw error("certificate.invalid", "The relay names another organisation than the link does.");
  return { name, fleetKey, pinLength: pin_length };
}

/** A new device of a line that another device of it lets in. Raises link.*, storage.*, network.*. */
export async function link(
  keeping: Keeping,
  reach: Reach,
  here: RelayPlace,
  show: (link: string) => void,
): Promise<Opened> {
  const api = new HttpApi(reach(here));
  const pending = { code: "", address: "" };
  let store = await unfinished(keeping, pending);
  if (store === null) {
    const signer = newSigner();
    const deviceId = randomBytes(16);
    const offer = { deviceId, signatureKey: signer.publicKey };
    const handover = await receive(api, here, show, offer);
    const { identity, certificate, by, endorsement } = handover;
    const me = linked({ signer, deviceId, identity, certificate, place: here });
    store = await begin(keeping, { ...pending, by, endorsement }, me, handover);
  }
  const left = (await store.get(tables.meta, PENDING)) as Pending;
  return tell(keeping, store, reach, async (me) => {
    const certificate = me.certificateBytes;
    const proof = me.sign(addDeviceBytes(me.server, certificate));
    await api.addDevice({
      certificate: toBase64(certificate),
      proof: toBase64(proof),
      by: toBase64(left.by ?? new Uint8Array()),
      endorsement: toBase64(left.endorsement ?? new Uint8Array()),
    });
  });
}

export async function keepPending(store: Store, pending: Pending): Promise<void> {
  await store.write((change) => change.put(tables.meta, PENDING, pending));
}

/** Its PIN holds: from here on the profile is finished. */
export async function finish(opened: Opened): Promise<void> {
  await opened.core.change((tx) => tx.change.delete(tables.meta, PENDING));
}

/**
 * What a call left that was cut off, if it was the same. One of another call is taken away, but for keys that
 * officers may have approved: no slip of the hand costs a person a day (storage.exists).
 */
async function unfinished(keeping: Keeping, wanted: Pending): Promise<Store | null> {
  const left = await leftOpen(keeping);
  if (left !== null) {
    if (left.pending?.code === wanted.code && left.pending.address === wanted.address)
      return left.store;
    left.store.close();
    if (left.pending?.code === RECOVERY) throw error("storage.exists");
  }
  await destroy(keeping);
  return null;
}

/** The store of a profile that has no PIN yet, and which call left it. Raises storage.exists for one that has. */
export async function leftOpen(
  keeping: Keeping,
): Promise<{ store: Store; pending: Pending | undefined } | null> {
  const stage = await keeping.stage();
  if (stage === "pin") throw error("storage.exists");
  if (stage === "none") return null;
  const key = await keeping.plainKey();
  try {
    const store = await Store.open(key, GUARDED);
    return { store, pending: (await store.get(tables.meta, PENDING)) as Pending | undefined };
  } catch (problem) {
    if (problem instanceof ChappeError && problem.code === "storage.missing") return null;
    throw problem;
  } finally {
    key.fill(0);
  }
}

export async function begin(
  keeping: Keeping,
  pending: Pending,
  me: Me,
  handover: Handover | null,
): Promise<Store> {
  const key = newKey();
  try {
    await keeping.keepPlain(key);
    const store = await Store.create(key, GUARDED);
    await store.write((change) => {
      me.keep(change);
      change.put(tables.meta, PENDING, pending);
      for (const { address, line, identityKey, verified } of handover?.contacts ?? [])
        change.put(tables.contacts, address, {
          address,
          line: toHex(line),
          identityKey,
          verified,
          changed: null,
          unconfirmed: false,
        });
    });
    return store;
  } finally {
    key.fill(0);
  }
}

/** Tell the relay. What it refused for good leaves nothing; what it may have taken stays for another try. */
async function tell(
  keeping: Keeping,
  store: Store,
  reach: Reach,
  say: (me: Me) => Promise<void>,
): Promise<Opened> {
  try {
    await say(await Me.kept(store));
  } catch (problem) {
    store.close();
    const refused =
      problem instanceof ChappeError &&
      (problem.fault === "refusal" || problem.fault === "input" || problem.fault === "crypto") &&
      !problem.code.startsWith("limit.");
    if (refused) await destroy(keeping);
    throw problem;
  }
  return Opened.from(store, reach);
}

/** Nothing of an unfinished profile is left. */
export async function destroy(keeping: Keeping): Promise<void> {
  await Store.destroy();
  await keeping.shelf.change(() => ({ entries: [], key: null, vault: null, pending: [] }));
}

const now = (): number => Math.floor(Date.now() / 1000);
