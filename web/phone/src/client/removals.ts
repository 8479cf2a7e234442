/**
 * Removals by fleet order from the conversations that this device is in (docs/protocol.md section 12.4).
 *
 * The relay tells of them; the order itself is verified before anything is done, for the relay's word removes
 * nobody, and neither does the fleet key alone. The removal is then an intent as any other: it survives a kill,
 * and a lost race is looked at again.
 */

import { encode } from "@msgpack/msgpack";
import { sha256 } from "@noble/hashes/sha2.js";
import { same } from "../mls";
import { type Bytes, concat, fromHex, toHex } from "../wire/bytes";
import type { DeviceCertificate } from "../wire/certificate";
import { ChappeError, error } from "../wire/errors";
import { byDevice, unsignedReport } from "../wire/fleet";
import { MAX_WATCHED, type Typed } from "../wire/frames";
import { readOrder } from "../wire/orders";
import { type Membership, sealRegister } from "../wire/registers";
import type { Changes } from "./changes";
import { verifiedCertificate } from "./contacts";
import type { Core, Tx } from "./core";
import { type Groups, opener } from "./groups";
import type { HttpApi } from "./http";
import type { Obeying } from "./obeying";
import { checkHolds, checkRosters, judgeRemoval, withRosters } from "./orders";
import { LEFT } from "./rows";
import { keysOf } from "./senders";
import type { Wire } from "./wire";

const REGISTER = "register";
const MAX_SETTLES = 1000;

interface Settle {
  conversation: string;
  order: string;
  device: string;
}

export class Removals {
  #settles = new Map<string, Settle>();
  /** What was said on this socket: a mark of the places that it was made of. */
  #watched = "";
  #registered = "";
  #sealKey: Bytes | null = null;

  constructor(
    private readonly core: Core,
    private readonly groups: Groups,
    private readonly changes: Changes,
    private readonly obeying: Obeying,
    private readonly wire: Wire,
    private readonly api: HttpApi,
  ) {}

  /** Nothing that was said on the socket before holds on this one. */
  reconnected(): void {
    this.#watched = "";
    this.#registered = "";
    this.#sealKey = null;
    this.#settles.clear();
  }

  // --- what the relay tells

  /** Raises storage.* only: what is no order changes nothing. */
  async posted(frame: Typed<"posted">): Promise<void> {
    try {
      await this.core.change((tx) => this.#take(tx, frame));
    } catch (problem) {
      if (!(problem instanceof ChappeError) || problem.fault === "storage") throw problem;
      await this.core.change((tx) => tx.fail(problem.code, null));
    }
  }

  async #take(tx: Tx, frame: Typed<"posted">): Promise<void> {
    const [id, device] = [toHex(frame.group), toHex(frame.device)];
    if (this.groups.activity(id) === LEFT || device === this.core.me.device) return;
    const group = await this.groups.group(tx, id);
    const leaf = group.members
      .map((one) => verifiedCertificate(one.identity))
      .find((one) => same(one.deviceId, frame.device));
    if (leaf === undefined) {
      this.settle(id, toHex(readOrder(frame.order).id), device);
      return;
    }
    const order = judgeRemoval(frame, leaf, this.core.me.server);
    if (frame.order.owner_signature === null) await this.#checkNewest(tx, leaf, frame);
    const { proposal } = frame;
    const intent = { kind: "remove_device" as const, device, order: toHex(order.id), proposal };
    await this.changes.wantOut(tx, id, intent);
  }

  /** The newest roster of each organisation is remembered: nobody goes back. Raises roster.invalid. */
  async #checkNewest(
    tx: Tx,
    { fleetKey }: DeviceCertificate,
    frame: Typed<"posted">,
  ): Promise<void> {
    const key = `roster ${toHex(sha256(fleetKey))}`;
    const chain = checkRosters(frame.rosters, fleetKey);
    const kept = await this.core.meta<{ version: number; hash: Bytes }>(key);
    if (kept !== undefined) checkHolds(chain, kept.version, kept.hash);
    this.core.setMeta(tx, key, { version: chain.hashes.length, hash: chain.hashes.at(-1) });
  }

  /** To be told: the device is not in the conversation. If that is lost, the relay asks again. */
  settle(conversation: string, order: string, device: string): void {
    if (this.#settles.size < MAX_SETTLES)
      this.#settles.set(`${conversation} ${order} ${device}`, { conversation, order, device });
  }

  // --- what is told to the relay

  /** Receipts, what to watch, the register, what is settled. Raises network.*, limit.*. */
  async pump(): Promise<void> {
    await this.report();
    await this.#watch();
    await this.#settle();
    await this.#register();
  }

  /** Receipts that the relay has not answered. Raises network.*, limit.*. */
  async report(): Promise<void> {
    for (const { order, receipt } of this.obeying.toTell()) {
      try {
        await this.wire.ask((ref) => ({ t: "report", ref, receipt }), "done");
      } catch (problem) {
        if (!isOneOf(problem, "order.unknown", "receipt.invalid")) throw problem;
      }
      await this.obeying.told(order);
    }
  }

  /** Refused for good: if that is by an order, the order says more. The refusal alone erases nothing. */
  async askWhy(): Promise<void> {
    const { me } = this.core;
    try {
      const ask = { t: "waiting" as const };
      const now = this.core.now();
      const { server, deviceId, signer } = me;
      const envelope = byDevice(server, deviceId, "device", signer.privateKey, now, ask);
      const answer = await this.api.fleet(envelope);
      for (const frame of answer.t === "for_device" ? answer.orders : [])
        await this.obeying.take(frame);
      for (const { order, receipt } of this.obeying.toTell()) {
        await this.api.fleet(unsignedReport(deviceId, receipt));
        await this.obeying.told(order);
      }
    } catch (problem) {
      if (!(problem instanceof ChappeError)) throw problem;
    }
  }

  #places(): string[] {
    const all = this.core.book.conversations.all().filter((one) => one.active !== LEFT);
    return all.map((one) => one.id).sort();
  }

  async #watch(): Promise<void> {
    const places = this.#places();
    const mark = `watched ${places.join()}`;
    if (mark === this.#watched) return;
    const groups = places.slice(0, MAX_WATCHED).map(fromHex);
    await this.wire.ask((ref) => ({ t: "watch", ref, groups }), "done");
    this.#watched = mark;
  }

  async #settle(): Promise<void> {
    for (const [key, { conversation, order, device }] of this.#settles) {
      if (this.groups.activity(conversation) !== LEFT) {
        const { epoch, proof } = await this.core.change(async (tx) => {
          const group = await this.groups.group(tx, conversation);
          return { epoch: group.epoch, proof: await opener(group) };
        });
        const what = { epoch, opener: proof, order: fromHex(order), device: fromHex(device) };
        try {
          const group = fromHex(conversation);
          await this.wire.ask((ref) => ({ t: "settled", ref, group, ...what }), "done");
        } catch (problem) {
          // In a later epoch somebody else says so, or the relay asks again.
          const passes = problem instanceof ChappeError && /^(commit|order)\./.test(problem.code);
          if (!passes) throw problem;
        }
      }
      this.#settles.delete(key);
    }
  }

  /** Only when it changed; sealed to the officers of the newest roster. */
  async #register(): Promise<void> {
    const { fleetKey } = this.obeying.known;
    if (fleetKey.length === 0) return;
    const places = await this.#memberships(fleetKey);
    const said = `registered ${JSON.stringify(places.map((one) => [toHex(one.group), one.leaf, one.sender]))}`;
    if (said === this.#registered) return;
    const sealKey = await this.#officersKey();
    if (sealKey !== null) {
      const mark = toHex(sha256(concat(sealKey, encode(said))));
      if ((await this.core.meta<string>(REGISTER)) !== mark) {
        const sealed = await sealRegister(sealKey, this.core.me.deviceId, places);
        await this.wire.ask((ref) => ({ t: "register", ref, sealed }), "done");
        await this.core.change((tx) => this.core.setMeta(tx, REGISTER, mark));
      }
    }
    this.#registered = said;
  }

  #memberships(fleetKey: Bytes): Promise<Membership[]> {
    return this.core.change(async (tx) => {
      const found: Membership[] = [];
      for (const id of this.#places()) {
        const group = await this.groups.group(tx, id);
        const sender = keysOf(group).findIndex((key) => same(key, fleetKey));
        if (sender >= 0) found.push({ group: fromHex(id), leaf: group.ownLeaf, sender });
      }
      return found;
    });
  }

  /** What is for the officers is sealed to this. Raises organisation.unknown where the relay has no roster of
   * them, roster.invalid, network.*. */
  async officersKey(): Promise<Bytes> {
    const key = await this.#officersKey();
    if (key === null) throw error("organisation.unknown", "The relay names no officers for you.");
    return key;
  }

  /** `seal_key` of the newest roster; null while there is none. Raises roster.invalid, network.*. */
  async #officersKey(): Promise<Bytes | null> {
    if (this.#sealKey !== null) return this.#sealKey;
    const { me } = this.core;
    const now = this.core.now();
    const ask = { t: "rosters" as const };
    const envelope = byDevice(me.server, me.deviceId, "device", me.signer.privateKey, now, ask);
    const answer = await this.api.fleet(envelope);
    if (answer.t !== "roster_chain" || answer.rosters.length === 0) return null;
    const { known, chain } = withRosters(this.obeying.known, answer.rosters);
    if (known.rosterVersion !== this.obeying.known.rosterVersion) await this.obeying.keep(known);
    this.#sealKey = chain.roster.seal_key;
    return this.#sealKey;
  }
}

const isOneOf = (problem: unknown, ...codes: string[]): boolean =>
  problem instanceof ChappeError && codes.includes(problem.code);
