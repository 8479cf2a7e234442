/** Conversations as MLS groups: their states, their description, their members. */

import { sha256 } from "@noble/hashes/sha2.js";
import { encode as cbor } from "cborg";
import { DESCRIPTION, Group, MlsFault } from "../mls";
import { type Bytes, concat, fromHex, randomBytes, toHex, utf8 } from "../wire/bytes";
import { loadItem } from "../wire/content";
import { error } from "../wire/errors";
import { MAX_TIMER } from "../wire/timers";
import { begun } from "./chains";
import { type Contacts, verifiedCertificate } from "./contacts";
import type { Core, Tx } from "./core";
import { forgetParked } from "./parked";
import { ACTIVE, type Activity, type ConversationRow, LEFT, type Place, tables } from "./rows";
import { extensionFor } from "./senders";

export const MAX_DESCRIPTION = 1024;
export const MAX_NAME = 200;
const OPENER_BYTES = 32;

/** What all members see of a conversation. `timer`: seconds until messages disappear, 0 for never. */
export interface Description {
  kind: "direct" | "group";
  name: string;
  timer: number;
}

/** The bytes of the extension. Raises content.malformed where it does not fit. */
export function encodeDescription({ kind, name, timer }: Description): Bytes {
  const data = new Uint8Array(cbor({ kind, name, timer }));
  readDescription(data);
  return data;
}

/** Raises content.malformed. */
export function readDescription(data: Uint8Array | undefined): Description {
  const found = data !== undefined && data.length <= MAX_DESCRIPTION ? loadItem(data) : null;
  if (!(found instanceof Map) || found.size !== 3) throw error("content.malformed");
  const [kind, name, timer] = ["kind", "name", "timer"].map((key): unknown => found.get(key));
  const fits =
    (kind === "direct" || kind === "group") &&
    typeof name === "string" &&
    [...name].length <= MAX_NAME;
  if (!fits || typeof timer !== "number" || !Number.isInteger(timer))
    throw error("content.malformed");
  if (timer < 0 || timer > MAX_TIMER) throw error("content.malformed");
  return { kind, name, timer };
}

export const descriptionOf = (group: Group): Description =>
  readDescription(group.extension(DESCRIPTION));

/** Opens the lock of the group's epoch (docs/protocol.md section 8). */
export async function opener(group: Group): Promise<Bytes> {
  return new Uint8Array(await group.export("chappe lock", new Uint8Array(), OPENER_BYTES));
}

/** What the relay keeps of an epoch. */
export async function lock(group: Group): Promise<Bytes> {
  return new Uint8Array(sha256(concat(utf8("chappe lock v1"), await opener(group))));
}

/** All states of groups go through here; they are cached, and read anew after a change was undone. */
export class Groups {
  #cache = new Map<string, Group>();
  /** Set by the owner: a device is there that was not. `welcomed`: this one has come in itself. */
  onEntered: (tx: Tx, id: string, identity: Uint8Array, welcomed: boolean) => void = () => {};

  constructor(
    private readonly core: Core,
    private readonly contacts: Contacts,
  ) {
    core.undone.push(() => this.#cache.clear());
  }

  // --- states

  has(id: string): boolean {
    return this.core.book.conversations.has(id);
  }

  /** Raises conversation.unknown. */
  row(id: string): ConversationRow {
    const row = this.core.book.conversations.get(id);
    if (row === undefined) throw error("conversation.unknown");
    return row;
  }

  /** Inside a change, which sees what it staged. Raises conversation.left, storage.failed. */
  async group(tx: Tx, id: string): Promise<Group> {
    const known = this.#cache.get(id);
    if (known !== undefined) return known;
    const shared = await tx.change.get(tables.shared, id);
    const secret = await tx.change.get(tables.secret, id);
    if (shared === undefined || secret === undefined) throw error("conversation.left");
    try {
      const group = Group.fromParts(shared, secret);
      this.#cache.set(id, group);
      return group;
    } catch (problem) {
      throw problem instanceof MlsFault ? error("storage.failed") : problem;
    }
  }

  /** The state moved within its epoch. */
  keep(tx: Tx, id: string, group: Group): void {
    tx.change.put(tables.secret, id, new Uint8Array(group.secretBytes()));
    this.#cache.set(id, group);
  }

  /** The state moved to another epoch: members and description follow it. */
  enter(tx: Tx, id: string, group: Group): void {
    const { name, timer } = descriptionOf(group);
    const before = this.#cache.get(id)?.members.map((one) => toHex(one.identity));
    this.#keepWhole(tx, id, group);
    this.put(tx, { ...this.row(id), name, timer, epoch: group.epoch, places: placesOf(group) });
    for (const { identity } of group.members)
      if (before === undefined || !before.includes(toHex(identity)))
        this.onEntered(tx, id, identity, before === undefined);
  }

  /** A conversation of this device alone, at epoch 0. Gives its id. */
  async create(tx: Tx, description: Description, peer: string | null): Promise<string> {
    const { me } = this.core;
    const { fleetKey } = me.certificate;
    const group = await Group.create({
      id: randomBytes(16),
      signer: me.signer,
      identity: me.certificateBytes,
      extensions: [
        { type: DESCRIPTION, data: encodeDescription(description) },
        ...(fleetKey.length > 0 ? [extensionFor([fleetKey])] : []),
      ],
      now: this.core.now(),
      authenticate: this.contacts.check(null).authenticate,
    });
    return this.insert(tx, group, description, peer);
  }

  /** A conversation that begins, or begins again, for this device. Gives its id. */
  insert(tx: Tx, group: Group, description: Description, peer: string | null): string {
    const id = toHex(group.id);
    const now = this.core.now();
    const before = this.core.book.conversations.get(id);
    const fresh = { unread: 0, unreadFrom: 0, muted: false, draft: "", createdAt: now };
    this.#keepWhole(tx, id, group);
    this.put(tx, {
      ...(before ?? fresh),
      ...description,
      id,
      peer,
      active: ACTIVE,
      leafAt: now,
      leafSent: 0,
      blockedEpoch: -1,
      epoch: group.epoch,
      places: placesOf(group),
      at: now,
      chain: begun(group.epoch),
    });
    for (const { identity } of group.members) this.onEntered(tx, id, identity, true);
    return id;
  }

  #keepWhole(tx: Tx, id: string, group: Group): void {
    tx.change.put(tables.shared, id, new Uint8Array(group.sharedBytes()));
    this.keep(tx, id, group);
  }

  /** Keys kept for late messages go when their time is over, also where nothing happens. */
  async dropExpired(tx: Tx): Promise<void> {
    for (const id of this.active()) {
      const group = await this.group(tx, id);
      const kept = group.withoutExpired(this.core.now());
      if (kept !== group) this.#keepWhole(tx, id, kept);
    }
  }

  /** This device is out: its keys go, what was written stays. */
  async forget(tx: Tx, id: string): Promise<void> {
    this.setActive(tx, id, LEFT);
    tx.change.delete(tables.shared, id);
    tx.change.delete(tables.secret, id);
    await forgetParked(this.core, tx, id);
    for (const { number } of await tx.change.range(tables.outside, id))
      tx.change.delete(tables.outside, id, number);
    this.#cache.delete(id);
  }

  put(tx: Tx, row: ConversationRow): void {
    this.core.book.conversations.put(tx.change, row);
    tx.conversations.add(row.id);
  }

  setActive(tx: Tx, id: string, active: Activity): void {
    this.put(tx, { ...this.row(id), active });
  }

  activity(id: string): Activity {
    return this.core.book.conversations.get(id)?.active ?? LEFT;
  }

  // --- members

  /** Every member's device but this one. */
  otherDevices(id: string): Bytes[] {
    const own = this.core.me.device;
    return this.row(id).places.flatMap((p) => (p.device === own ? [] : [fromHex(p.device)]));
  }

  addresses(id: string): string[] {
    return [...new Set(this.row(id).places.map((place) => place.address))].sort();
  }

  /** A direct conversation whose other line is not in it. */
  lacksPeer(id: string): boolean {
    const { kind, peer } = this.row(id);
    return kind === "direct" && peer !== null && !this.addresses(id).includes(peer);
  }

  /** Lines whose members may be let in; null for any. */
  allowed(id: string): ReadonlySet<string> | null {
    const { kind, peer } = this.row(id);
    return kind === "direct" && peer !== null ? new Set([this.core.me.address, peer]) : null;
  }

  active(): string[] {
    return this.core.book.conversations.all().flatMap((c) => (c.active === ACTIVE ? [c.id] : []));
  }

  /** Conversations that a device is in. */
  ofDevice(device: string): Set<string> {
    const all = this.core.book.conversations.all();
    return new Set(
      all.flatMap((c) => (c.places.some((place) => place.device === device) ? [c.id] : [])),
    );
  }

  // --- which is which

  /** The conversation with a line that is written to: both ends choose the same of several. */
  directWith(address: string): string | undefined {
    const found = this.core.book.conversations
      .all()
      .filter((c) => c.kind === "direct" && c.peer === address && c.active === ACTIVE);
    return found.map((c) => c.id).sort()[0];
  }

  /** This conversation and, if it is direct, the others with the same line: two that wrote at once, say. */
  twins(id: string): ConversationRow[] {
    const row = this.row(id);
    if (row.kind !== "direct") return [row];
    return this.core.book.conversations
      .all()
      .filter((c) => c.kind === "direct" && c.peer === row.peer)
      .sort(byPlace);
  }

  /** Under which id a conversation and its twins are shown. */
  shownAs(id: string): string {
    return this.twins(id)[0]?.id ?? id;
  }

  /** Each once. */
  shown(): ConversationRow[] {
    return this.core.book.conversations.all().filter((c) => this.shownAs(c.id) === c.id);
  }
}

/** Active ones first, then by id. */
function byPlace(a: ConversationRow, b: ConversationRow): number {
  const [first, second] = [a, b].map((c) => `${c.active === ACTIVE ? 0 : 1}${c.id}`);
  return (first ?? "") < (second ?? "") ? -1 : 1;
}

function placesOf(group: Group): Place[] {
  return group.members.map(({ leaf, identity }) => {
    const { address, deviceId } = verifiedCertificate(identity);
    return { leaf, address, device: toHex(deviceId) };
  });
}
