/**
 * Erased by order: on a running phone, and on a locked one that asks the relay why it does not open. Nothing
 * but a verified order erases: the relay's word alone does not.
 */

import { decode, encode } from "@msgpack/msgpack";
import { openDatabase } from "../vault/database";
import {
  delivered,
  erase,
  resume as goOn,
  type Order as ToErase,
  type Tombstone,
  tombstone,
} from "../vault/erase";
import type { Candidate, Keeping } from "../vault/keeping";
import type { Entry } from "../vault/keystore";
import { placeOf } from "../vault/vault";
import type { Bytes } from "../wire/bytes";
import { ChappeError } from "../wire/errors";
import { byDeviceSigning, unsignedReport } from "../wire/fleet";
import type { RelayPlace } from "../wire/links";
import { HttpApi } from "./http";
import type { Reach } from "./opened";
import { type Judged, judge, type Known, type OrderFrame } from "./orders";

const NAME = "chappe-known";
const KEPT = "kept";
const KNOWN = "known";

/** Refusals that the relay may have an order for. */
export const ASK_WHY: ReadonlySet<string> = new Set([
  "vault.destroyed",
  "unlock.unknown_device",
  "signin.revoked",
  "signin.unknown_device",
  "unlock.unavailable",
]);

// --- what a locked phone knows

/** Beside the vault, under the entry that opens it: whose orders count. Nothing of it is secret. */
export async function layDown(keeping: Keeping, known: Known): Promise<void> {
  if ((await keeping.stage()) !== "pin") return;
  const { entry } = await keeping.current();
  const sealed = await entry.seal(KNOWN, encode(known));
  const database = await openDatabase(NAME, [KEPT]);
  try {
    await database.put(KEPT, { entry: entry.id, sealed }, KNOWN);
  } finally {
    database.close();
  }
}

/** Null where there is none, or none of this entry. */
async function knownTo(entry: Entry): Promise<Known | null> {
  const database = await openDatabase(NAME, [KEPT]);
  try {
    const kept = (await database.get(KEPT, KNOWN)) as { entry: string; sealed: Bytes } | undefined;
    return kept?.entry === entry.id
      ? (decode(await entry.open(KNOWN, kept.sealed)) as Known)
      : null;
  } catch {
    return null;
  } finally {
    database.close();
  }
}

// --- a locked phone

/** True if an order to erase was there, and was carried out. Raises storage.*. */
export async function eraseIfOrdered(keeping: Keeping, reach: Reach): Promise<boolean> {
  for (const candidate of await keeping.candidates()) {
    const known = await knownTo(candidate.entry);
    if (known === null) continue;
    for (const frame of await waiting(candidate, known, reach)) {
      const judged = judged_(frame, known);
      if (judged?.order.kind !== "erase") continue;
      await eraseBy(judged, candidate, placeOf(candidate.vault), keeping);
      return true;
    }
  }
  return false;
}

/** Nothing where the relay does not answer, or knows no such key. */
async function waiting(
  { entry, vault }: Candidate,
  { server, device }: Known,
  reach: Reach,
): Promise<OrderFrame[]> {
  const sign = (data: Bytes): Promise<Bytes> => entry.sign(data);
  const now = Math.floor(Date.now() / 1000);
  try {
    const ask = { t: "waiting" as const };
    const envelope = await byDeviceSigning(server, device, "unlock", sign, now, ask);
    const answer = await new HttpApi(reach(placeOf(vault))).fleet(envelope);
    return answer.t === "for_device" ? answer.orders : [];
  } catch (problem) {
    if (problem instanceof ChappeError) return [];
    throw problem;
  }
}

function judged_(frame: OrderFrame, known: Known): Judged | null {
  try {
    return judge(frame, known);
  } catch (problem) {
    if (problem instanceof ChappeError) return null;
    throw problem;
  }
}

// --- either

/** Everything here is destroyed, by a verified order. The store must be closed before. Raises storage.*. */
export async function eraseBy(
  { order, reason, known }: Judged,
  { entry }: Candidate,
  { host, port, pin }: RelayPlace,
  keeping: Keeping,
): Promise<void> {
  keeping.close();
  const at = Math.floor(Date.now() / 1000);
  const what: ToErase = { order: order.id, device: known.device, at, reason, host, port, pin };
  await erase(what, entry);
}

/** Finish an erasing that was cut off; hand in the receipt of one, if the relay can be reached. */
export async function settleErased(reach: Reach): Promise<Tombstone | null> {
  const stone = await goOn();
  if (stone === null || stone.delivered || stone.receipt === null) return stone;
  const { device, receipt, host, port, pin } = stone;
  try {
    await new HttpApi(reach({ host, port, pin })).fleet(unsignedReport(device, receipt));
  } catch (problem) {
    if (!(problem instanceof ChappeError)) throw problem;
    // One that the relay refuses is not said again; one that it did not hear is.
    if (problem.code !== "order.unknown" && problem.code !== "receipt.invalid") return stone;
  }
  await delivered();
  return tombstone();
}
