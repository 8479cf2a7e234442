/** What one commit will do: as many intents, in order, as fit beside each other. */

import { type Change, DESCRIPTION, type Group, MlsFault, same, viewKeyPackage } from "../mls";
import { type Bytes, concat, fromHex, toHex, utf8 } from "../wire/bytes";
import type { DeviceCertificate } from "../wire/certificate";
import { ChappeError, error } from "../wire/errors";
import { MAX_SETTLED } from "../wire/frames";
import { REMOVAL_CONTEXT } from "../wire/orders";
import { verifiedCertificate } from "./contacts";
import { type Description, descriptionOf, encodeDescription } from "./groups";
import type { Intent, IntentRow, Place } from "./rows";
import { removedFromOutside, withKeys } from "./senders";

/** At once, in one commit. */
export const MAX_ADDS = 200;

export interface Plan {
  changes: Change[];
  /** The intents that it carries out. */
  rows: number[];
  /** Devices that it lets in. */
  joiners: Bytes[];
  renews: boolean;
  /** The group, with the fleet key's proposals that the commit refers to. */
  group: Group;
  proposals: Bytes[];
  /** Orders that the commit carries out: it then does nothing else, and says by which. */
  settles: string[];
  /** Devices that an order puts out: they get nothing any more. */
  gone: string[];
  /** Removals by order whose device is not there any more. */
  absent: RemoveDevice[];
}

type RemoveDevice = Extract<Intent, { kind: "remove_device" }>;

/** What a plan is made for. `isGone`: whether an order has put a device out for good. */
export interface Situation {
  group: Group;
  places: Place[];
  now: number;
  isGone: (device: string) => boolean;
}

/** Removals by order, if the first intent is one; else the others. */
export async function plan(intents: IntentRow[], situation: Situation): Promise<Plan> {
  const made: Plan = {
    changes: [],
    rows: [],
    joiners: [],
    renews: false,
    group: situation.group,
    proposals: [],
    settles: [],
    gone: [],
    absent: [],
  };
  const [first] = intents.filter((one) => one.intent.kind !== "leave");
  if (first?.intent.kind === "remove_device") await planOut(made, intents, situation);
  else planChanges(made, intents, situation);
  return made;
}

async function planOut(made: Plan, intents: IntentRow[], situation: Situation): Promise<void> {
  for (const { row, intent } of intents) {
    if (intent.kind === "leave") continue;
    if (intent.kind !== "remove_device" || made.rows.length >= MAX_SETTLED) break;
    made.rows.push(row);
    const place = situation.places.find((one) => one.device === intent.device);
    if (
      place === undefined ||
      place.leaf === situation.group.ownLeaf ||
      made.gone.includes(intent.device)
    ) {
      made.absent.push(intent);
      continue;
    }
    made.gone.push(intent.device);
    made.settles.push(intent.order);
    const with_ = await withProposal(made.group, place.leaf, intent, situation.now);
    if (with_ === null || intent.proposal === null) {
      made.changes.push({ kind: "remove", leaf: place.leaf });
    } else {
      made.group = with_;
      made.proposals.push(intent.proposal);
    }
  }
}

/** The group with the fleet key's proposal, if that is for this epoch, this leaf and this order. */
async function withProposal(
  group: Group,
  leaf: number,
  { proposal, order }: RemoveDevice,
  now: number,
): Promise<Group | null> {
  if (proposal === null) return null;
  const authenticate = (): void => {
    // A Remove brings nobody in.
    throw error("certificate.invalid");
  };
  try {
    const { group: after, received } = await group.process(proposal, { now, authenticate });
    if (received.kind !== "proposal" || removedFromOutside(group, received) !== leaf) return null;
    return same(received.authenticatedData, removalOf([order])) ? after : null;
  } catch (problem) {
    if (problem instanceof MlsFault || problem instanceof ChappeError) return null;
    throw problem;
  }
}

/** What a commit, or the fleet key's proposal, says of the orders that it carries out. */
export const removalOf = (orders: string[]): Bytes =>
  concat(utf8(REMOVAL_CONTEXT), ...orders.map(fromHex));

function planChanges(made: Plan, intents: IntentRow[], { group, places, isGone }: Situation): void {
  const present = new Set(places.map((place) => place.device));
  const touched = new Set<string>();
  const before = descriptionOf(group);
  let description = before;
  const joining: DeviceCertificate[] = [];
  for (const { row, intent } of intents) {
    if (intent.kind === "leave") continue;
    if (intent.kind === "remove_device") break;
    if (intent.kind === "add" && intent.packages === null) break;
    if (intent.kind === "add" || intent.kind === "remove") {
      if (touched.has(intent.address) || joining.length >= MAX_ADDS) break;
      touched.add(intent.address);
    }
    if (intent.kind === "add") {
      for (const keyPackage of intent.packages ?? []) {
        const certificate = verifiedCertificate(viewKeyPackage(keyPackage).identity);
        const device = toHex(certificate.deviceId);
        if (present.has(device) || isGone(device)) continue;
        present.add(device);
        joining.push(certificate);
        made.changes.push({ kind: "add", keyPackage });
      }
    } else if (intent.kind === "remove") {
      for (const { leaf, address } of places)
        if (address === intent.address && leaf !== group.ownLeaf)
          made.changes.push({ kind: "remove", leaf });
    } else if (intent.kind === "describe") {
      description = described(description, intent.name, intent.timer);
    } else if (intent.kind === "refresh") {
      made.renews = true;
    }
    made.rows.push(row);
  }
  made.joiners = joining.map((one) => one.deviceId);
  if (!sameDescription(description, before)) {
    const data = encodeDescription(description);
    made.changes.push({ kind: "extension", type: DESCRIPTION, data });
  }
  made.changes.push(
    ...withKeys(
      group,
      joining.map((one) => one.fleetKey),
    ),
  );
}

const described = (of: Description, name: string | null, timer: number | null): Description => ({
  kind: of.kind,
  name: name ?? of.name,
  timer: timer ?? of.timer,
});

const sameDescription = (a: Description, b: Description): boolean =>
  a.name === b.name && a.timer === b.timer && a.kind === b.kind;
