/**
 * A new phone for a line that lost every one: keys of its own, a request for the officers, and a day's wait.
 *
 * The keys are in the store before anybody hears of them, as in `activation.ts`; they stay, whatever the relay
 * refuses, until a person gives them up: officers may have approved them.
 */

import type { Keeping } from "../vault/keeping";
import type { Store } from "../vault/store";
import { addDeviceBytes, toBase64 } from "../wire/api";
import { equal } from "../wire/bytes";
import { error } from "../wire/errors";
import { type RecoveryLink, request, requestDigits } from "../wire/recovery";
import { begin, destroy, keepPending, leftOpen, type Pending, RECOVERY } from "./activation";
import type { RecoveryRequest } from "./face";
import { HttpApi } from "./http";
import { Me, newLine } from "./identity";
import { Opened, type Reach } from "./opened";

/** The one that waits here, or a fresh one. Raises storage.exists, address.malformed, network.*. */
export async function ask(
  keeping: Keeping,
  reach: Reach,
  link: RecoveryLink,
): Promise<RecoveryRequest> {
  let before = await keptFor(keeping, link);
  if (before !== null) return before;
  const { name } = await new HttpApi(reach(link.place)).info();
  if (!link.address.endsWith(`@${name}`))
    throw error("address.malformed", `Addresses of this relay end in @${name}.`);
  // The relay took its time: another tab may have asked meanwhile, or made a line.
  before = await keptFor(keeping, link);
  if (before !== null) return before;
  await destroy(keeping);
  const now = Math.floor(Date.now() / 1000);
  const me = newLine(link.address, link.place, link.fleetKey, now, link.line);
  const pending = { code: RECOVERY, address: link.address };
  (await begin(keeping, pending, me, null)).close();
  return shown({ me, pending });
}

/** The request that waits here. */
export async function waiting(keeping: Keeping): Promise<RecoveryRequest | null> {
  if ((await keeping.stage()) !== "plain") return null;
  const found = await kept(keeping);
  found?.store.close();
  return found && shown(found);
}

/**
 * Come in. The same once more is answered the same. Raises order.unknown (nobody approved it, or it was taken
 * back), order.two_officers, order.stale (before its day), devices.too_many, order.hold, line.closed, term.*,
 * signin.revoked (it was in, and was signed out since), certificate.invalid, network.*, storage.missing.
 */
export async function enter(keeping: Keeping, reach: Reach): Promise<void> {
  (await entered(keeping, reach)).close();
}

/** The same, open; its PIN is to be set. */
export async function open(keeping: Keeping, reach: Reach): Promise<Opened> {
  return Opened.from(await entered(keeping, reach), reach);
}

/** Forget the keys: the next request has fresh ones. */
export async function giveUp(keeping: Keeping): Promise<void> {
  const found = await kept(keeping);
  if (found === null) return;
  found.store.close();
  await destroy(keeping);
}

async function entered(keeping: Keeping, reach: Reach): Promise<Store> {
  const found = await kept(keeping);
  if (found === null) throw error("storage.missing");
  const { me, pending, store } = found;
  try {
    const certificate = me.certificateBytes;
    const proof = me.sign(addDeviceBytes(me.server, certificate));
    const body = { certificate: toBase64(certificate), proof: toBase64(proof) };
    await new HttpApi(reach(me.place)).enter(body);
    await keepPending(store, { ...pending, entered: true });
    return store;
  } catch (problem) {
    store.close();
    throw problem;
  }
}

/** The request that waits here for that line. Raises storage.exists where another one's does, or a line is here. */
async function keptFor(keeping: Keeping, link: RecoveryLink): Promise<RecoveryRequest | null> {
  const found = await kept(keeping);
  if (found === null) return null;
  found.store.close();
  const { address, lineId, fleetKey } = found.me.certificate;
  if (address !== link.address || !equal(lineId, link.line) || !equal(fleetKey, link.fleetKey))
    throw error("storage.exists", "This phone waits for another line.");
  return shown(found);
}

interface Kept {
  me: Me;
  pending: Pending;
  store: Store;
}

/** Who waits to be let in, with a store to close. Raises storage.exists where a line is here. */
async function kept(keeping: Keeping): Promise<Kept | null> {
  const left = await leftOpen(keeping);
  if (left === null) return null;
  const { store, pending } = left;
  if (pending?.code !== RECOVERY) {
    store.close();
    return null;
  }
  return { me: await Me.kept(store), pending, store };
}

function shown({ me, pending }: Omit<Kept, "store">): RecoveryRequest {
  const { address, certificateBytes } = me;
  const text = request(certificateBytes);
  return {
    address,
    text,
    digits: requestDigits(certificateBytes),
    entered: pending.entered === true,
  };
}
