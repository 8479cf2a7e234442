/** Lines in a conversation that say what happened to it. */

import { type CommitApplied, type Group, same } from "../mls";
import { toHex, utf8 } from "../wire/bytes";
import { REMOVAL_CONTEXT } from "../wire/orders";
import { verifiedCertificate } from "./contacts";
import type { Core, Tx } from "./core";
import { descriptionOf } from "./groups";
import type { Messages } from "./messages";
import type { Notice } from "./rows";

const REMOVAL = utf8(REMOVAL_CONTEXT);

export class Notices {
  constructor(
    private readonly core: Core,
    private readonly messages: Messages,
  ) {}

  /** A commit of another member. */
  async ofOther(
    tx: Tx,
    conversation: string,
    before: Group,
    after: Group,
    applied: CommitApplied,
  ): Promise<void> {
    const causes = new Map<string, string>();
    const ordered = isByOrder(applied.authenticatedData);
    for (const { member, by } of applied.removed) {
      const address = addressOf(member.identity);
      const asker = before.members.find((one) => one.leaf === by);
      const left = asker !== undefined && addressOf(asker.identity) === address;
      const byOrder = ordered || by === null;
      causes.set(address, byOrder ? "removed_by_order" : left ? "left" : "removed");
    }
    await this.#between(tx, conversation, before, after, (gone) => causes.get(gone) ?? "removed");
  }

  /** A commit of this device: whom it removed by a pending proposal had asked for it; `ordered`, if by order. */
  async ofOwn(
    tx: Tx,
    conversation: string,
    before: Group,
    after: Group,
    ordered: boolean,
  ): Promise<void> {
    await this.#between(tx, conversation, before, after, (gone) => {
      if (ordered) return "removed_by_order";
      const asked = before.pending.find(({ leaf }) => {
        const member = before.members.find((one) => one.leaf === leaf);
        return member !== undefined && addressOf(member.identity) === gone;
      });
      return asked === undefined ? "removed" : "left";
    });
  }

  async #between(
    tx: Tx,
    conversation: string,
    before: Group,
    after: Group,
    cause: (address: string) => string,
  ): Promise<void> {
    const [was, is] = [devicesOf(before), devicesOf(after)];
    const [old, now] = [descriptionOf(before), descriptionOf(after)];
    const say = (notice: Notice): Promise<string> =>
      this.messages.insertNotice(tx, conversation, notice);
    const came = [...is.keys()].filter((one) => !was.has(one));
    if (came.length > 0 && now.kind === "group")
      await say({ what: "joined", who: came, value: "" });
    for (const gone of was.keys())
      if (!is.has(gone)) await say({ what: cause(gone), who: [gone], value: "" });
    // A line that stays may read with more devices than before: never in silence, once there is another to tell.
    for (const [line, devices] of was.size > 1 ? is : []) {
      const known = was.get(line) ?? devices;
      if (hasMore(devices, known)) await say({ what: "device_added", who: [line], value: "" });
      if (hasMore(known, devices)) await say({ what: "device_removed", who: [line], value: "" });
    }
    if (old.name !== now.name) await say({ what: "renamed", who: [], value: now.name });
    if (old.timer !== now.timer) await say({ what: "timer", who: [], value: String(now.timer) });
  }

  /** This device came in, or is out. */
  async ofSelf(
    tx: Tx,
    conversation: string,
    what: "joined" | "left" | "removed" | "removed_by_order",
  ): Promise<void> {
    await this.messages.insertNotice(tx, conversation, {
      what,
      who: [this.core.me.address],
      value: "",
    });
  }

  /** In each conversation with a line whose identity is another now. */
  async ofIdentity(tx: Tx, address: string): Promise<void> {
    for (const { id, places } of this.core.book.conversations.all())
      if (places.some((place) => place.address === address))
        await this.messages.insertNotice(tx, id, {
          what: "identity_changed",
          who: [address],
          value: "",
        });
  }
}

/** Whether a commit says by which orders it removes. */
export const isByOrder = (data: Uint8Array): boolean =>
  data.length >= REMOVAL.length && same(data.subarray(0, REMOVAL.length), REMOVAL);

const addressOf = (identity: Uint8Array): string => verifiedCertificate(identity).address;

const hasMore = (one: Set<string>, other: Set<string>): boolean =>
  [...one].some((device) => !other.has(device));

/** Of each line in the group. */
function devicesOf(group: Group): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const { identity } of group.members) {
    const { address, deviceId } = verifiedCertificate(identity);
    found.set(address, (found.get(address) ?? new Set()).add(toHex(deviceId)));
  }
  return found;
}
