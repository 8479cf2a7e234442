/**
 * Orders of the line's owner: another device of the line, lost, is erased, signed out or locked from this one
 * (docs/protocol.md section 12), and how far that got.
 */

import { type Bytes, equal, fromHex, randomBytes, toHex } from "../wire/bytes";
import { fromBytes, verify } from "../wire/certificate";
import { ChappeError, error } from "../wire/errors";
import { type Answer, type Ask, byOwner, type DeviceStages } from "../wire/fleet";
import {
  checkReceipt,
  MAX_REASON,
  type Order,
  OUTCOMES,
  readOrder,
  reasonDigest,
  type SignedOrder,
  signAsOwner,
  unlockKeyBytes,
} from "../wire/orders";
import { check } from "../wire/signing";
import { cleanText } from "./clean";
import type { OwnOrder, OwnOrderKind } from "./face";
import { isNetwork } from "./messages";
import type { Opened } from "./opened";
import { ACTIVE } from "./rows";
import { sleep } from "./transport";

const GIVE_TIMES = 3;
const GIVE_PAUSE_MS = 1000;
/** Groups in one order: the relay takes no more. */
const MAX_PLACES = 1000;

export class Ordering {
  constructor(private readonly opened: Opened) {}

  /** The order's id. Raises usage.invalid, order.*, network.*. */
  async give(kind: OwnOrderKind, device: string, reason: string): Promise<string> {
    const { core } = this.opened;
    const { me } = core;
    const text = reason.trim();
    if (device === me.device)
      throw error("usage.invalid", "That is this device; order it from another one.");
    if (text === "" || [...text].length > MAX_REASON)
      throw error("usage.invalid", `An order has a reason, of ${MAX_REASON} characters at most.`);
    const why = { text, salt: randomBytes(16) };
    const order: Order = {
      version: 1,
      id: randomBytes(16),
      kind,
      server: me.server,
      organisation: new Uint8Array(),
      targets: [{ line: fromHex(me.line), device: fromHex(device) }],
      issued_at: core.now(),
      reason_digest: reasonDigest(why),
      policy: null,
    };
    const places = kind === "lock" ? [] : this.#shared(device);
    const conversations = places.slice(0, MAX_PLACES).map(fromHex);
    const signed = signAsOwner(order, me.identity);
    await this.#ask({ t: "give", order: signed, reason: why, conversations }, "given");
    const id = toHex(order.id);
    if (kind !== "lock") await this.#putOut(device, id, places);
    return id;
  }

  /** The conversations that both devices are in. */
  #shared(device: string): string[] {
    const { groups } = this.opened.engine;
    return [...groups.ofDevice(device)].filter((id) => groups.activity(id) === ACTIVE).sort();
  }

  /** Out of all that this device shares with it; the relay tells other members of them, too. */
  async #putOut(device: string, order: string, places: string[]): Promise<void> {
    const { core, engine } = this.opened;
    await core.change(async (tx) => {
      for (const place of places)
        await engine.changes.wantOut(tx, place, {
          kind: "remove_device",
          device,
          order,
          proposal: null,
        });
    });
    engine.wake();
  }

  /** This line's orders, the newest first. Raises network.*. */
  async all(): Promise<OwnOrder[]> {
    const { identityKey } = this.opened.core.me.certificate;
    const { orders } = await this.#ask({ t: "status", order: null }, "orders");
    return orders.flatMap(({ order: signed, reason, devices }) =>
      devices.map((stages) => progress(signed, reason.text, stages, identityKey)),
    );
  }

  /** The same again where no answer came: the relay answers it again. */
  async #ask<K extends Answer["t"]>(ask: Ask, kind: K): Promise<Extract<Answer, { t: K }>> {
    const { core, api } = this.opened;
    const { me } = core;
    for (let left = GIVE_TIMES - 1; ; left--) {
      try {
        const line = fromHex(me.line);
        const answer = await api.fleet(byOwner(me.server, line, me.identity, core.now(), ask));
        if (answer.t !== kind) throw error("http.malformed");
        return answer as Extract<Answer, { t: K }>;
      } catch (problem) {
        if (!(problem instanceof ChappeError) || !isNetwork(problem) || left === 0) throw problem;
        await sleep(GIVE_PAUSE_MS);
      }
    }
  }
}

function progress(
  signed: SignedOrder,
  reason: string,
  stages: DeviceStages,
  identityKey: Bytes,
): OwnOrder {
  const order = readOrder(signed);
  return {
    order: toHex(order.id),
    kind: order.kind as OwnOrderKind,
    reason: cleanText(reason),
    device: toHex(stages.device),
    orderedAt: stages.ordered_at,
    unreadableAt: stages.unreadable_at ?? 0,
    conversations: stages.conversations,
    removed: stages.removed,
    removedAt: stages.removed_at ?? 0,
    doneAt: receiptHolds(order, stages, identityKey) ? (stages.done_at ?? 0) : 0,
    hasPin: unlockKeyOf(stages) !== null,
  };
}

/**
 * Whether the device itself says that it carried the order out. The relay's word is not enough: the certificate
 * is of the line with this identity key.
 */
export function receiptHolds(order: Order, stages: DeviceStages, identityKey: Bytes): boolean {
  const certificate = certificateOf(stages);
  if (stages.receipt === null || certificate === null) return false;
  const { signatureKey, deviceId, lineId, identityKey: signer } = certificate;
  const ours =
    equal(deviceId, stages.device) && equal(lineId, stages.line) && equal(signer, identityKey);
  try {
    const receipt = checkReceipt(stages.receipt, signatureKey, unlockKeyOf(stages));
    const itsOwn = equal(receipt.device, deviceId) && equal(receipt.order, order.id);
    return ours && itsOwn && receipt.outcome === OUTCOMES[order.kind];
  } catch (problem) {
    if (problem instanceof ChappeError) return false;
    throw problem;
  }
}

function certificateOf({ certificate }: DeviceStages) {
  try {
    const found = fromBytes(certificate);
    verify(found);
    return found;
  } catch (problem) {
    if (problem instanceof ChappeError) return null;
    throw problem;
  }
}

/** The key that signs guesses, if the device vouched for it: without one it never had a share. */
function unlockKeyOf(stages: DeviceStages): Bytes | null {
  const { unlock_key: key, unlock_proof: proof } = stages;
  const certificate = certificateOf(stages);
  if (certificate === null || key === null || proof === null) return null;
  try {
    const vouched = unlockKeyBytes(certificate.deviceId, key);
    check(certificate.signatureKey, proof, vouched, "receipt.invalid");
    return new Uint8Array(key);
  } catch (problem) {
    if (problem instanceof ChappeError) return null;
    throw problem;
  }
}
