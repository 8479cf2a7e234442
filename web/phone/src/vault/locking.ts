/**
 * The PIN over the wire: setting one with the share service, and unlocking with it. How its requests travel
 * is the caller's: `Service`.
 */

import type { Bytes } from "../wire/bytes";
import { ChappeError, error } from "../wire/errors";
import { wipe } from "./bytes";
import { dropOffline, keepOffline, openOffline } from "./hours";
import type { Candidate, Keeping, Prepared } from "./keeping";
import { COST, type Cost } from "./keys";
import type { Moment } from "./offline";
import { check } from "./pins";
import { type Enrolment, Opening } from "./unlocking";
import { opened, type Policy } from "./vault";

/** What goes on: the PIN is stretched, the relay is asked, it does not answer and the copy here is tried. */
export type Progress = "pin" | "relay" | "offline";
export type Tell = (progress: Progress) => void;

/** The two requests of unlocking (docs/protocol.md section 6.6), to the place that the vault names. */
export interface Service {
  challenge(device: Bytes): Promise<Bytes>;
  guess(device: Bytes, sealed: Bytes): Promise<Bytes>;
}

/** Hands an enrolment to the service, again until it has it, and returns when it does. */
export type Enroller = (prepared: Prepared) => Promise<void>;

export interface Unlocked {
  /** The vault key; the caller wipes it. */
  key: Bytes;
  device: Bytes;
  policy: Policy;
  /** When the copy that opened it ends; null where the relay did. */
  until: number | null;
  /** The public half of the key that signs guesses. */
  unlockKey: Bytes;
}

export interface Circumstances {
  now: () => Moment;
  tell?: Tell;
  cost?: Cost;
  /** Of a new PIN, as the organisation asks; six where it asks for nothing. */
  minDigits?: number | undefined;
}

// No guess was looked at: the service has the share of another PIN, or none.
const NOT_THIS_ONE: readonly string[] = ["unlock.bad_signature", "unlock.unknown_device"];

/** Raises vault.weak_pin, network.*, unlock.*, storage.*. `address`: the line's; no PIN may be made of it. */
export async function setPin(
  keeping: Keeping,
  pin: string,
  address: string,
  what: Enrolment,
  send: Enroller,
  { tell = () => {}, cost = COST, minDigits }: Omit<Circumstances, "now"> = {},
): Promise<void> {
  const checked = check(pin, [address], minDigits);
  tell("pin");
  const prepared = await keeping.prepare(checked, what, cost);
  tell("relay");
  await send(prepared);
  await keeping.settle(prepared.entry);
}

/** The old PIN is tried as in `unlock`; then the new one holds. Raises as `unlock` and `setPin`. */
export async function changePin(
  keeping: Keeping,
  pins: { old: string; next: string },
  address: string,
  service: Service,
  send: Enroller,
  circumstances: Circumstances,
): Promise<void> {
  check(pins.next, [address], circumstances.minDigits);
  const unlocked = await unlock(keeping, pins.old, service, circumstances);
  try {
    const { vault } = await keeping.current();
    const { host, port, pin } = vault;
    const what = { ...vault, key: unlocked.key, place: { host, port, pin } };
    await setPin(keeping, pins.next, address, what, send, circumstances);
  } finally {
    wipe(unlocked.key);
  }
}

/**
 * The vault key, by the relay or, where it is away, by the copy kept here.
 *
 * Raises vault.no_pin, vault.wrong_pin, vault.wait, vault.destroyed, vault.bad_share, vault.clock; network.*,
 * unlock.*, storage.*. None of them erases anything but the offline copy.
 */
export async function unlock(
  keeping: Keeping,
  pin: string,
  service: Service,
  circumstances: Circumstances,
): Promise<Unlocked> {
  let problem: unknown = error("vault.no_pin");
  for (const candidate of await keeping.candidates()) {
    try {
      return await tryOne(keeping, candidate, pin, service, circumstances);
    } catch (found) {
      problem = found;
      if (!NOT_THIS_ONE.includes(codeOf(found)) && !isAway(found)) throw found;
    }
  }
  throw problem;
}

async function tryOne(
  keeping: Keeping,
  candidate: Candidate,
  pin: string,
  service: Service,
  { now, tell = () => {}, cost = COST }: Circumstances,
): Promise<Unlocked> {
  tell("pin");
  const { device, policy } = candidate.vault;
  // On its way while the PIN is stretched; what becomes of it is heard after that.
  const challenge = service.challenge(device);
  challenge.catch(() => {});
  const opening = await Opening.with(pin, candidate.entry, candidate.vault, cost);
  const unlockKey = candidate.entry.public;
  try {
    tell("relay");
    let key: Bytes;
    try {
      key = await ask(device, challenge, opening, service).catch((problem) => {
        // It was asked for before the PIN was there, and is too old by now. No try was used.
        if (codeOf(problem) !== "unlock.bad_challenge") throw problem;
        return ask(device, service.challenge(device), opening, service);
      });
    } catch (problem) {
      key = await instead(keeping, candidate, opening, problem, now, tell);
      return { key, device, policy, unlockKey, until: await end(keeping) };
    }
    await keeping.opened(candidate);
    if (opening.share) await keepOffline(keeping, candidate, opening.a, opening.share, now());
    return { key, device, policy, unlockKey, until: null };
  } finally {
    opening.wipe();
  }
}

/** One guess. vault.* comes out of a sealed answer alone: the relay's own word for it is nobody's. */
async function ask(
  device: Bytes,
  challenge: Promise<Bytes>,
  opening: Opening,
  service: Service,
): Promise<Bytes> {
  let answer: Bytes;
  try {
    const sealed = await opening.begin(await challenge);
    answer = await service.guess(device, sealed);
  } catch (problem) {
    throw codeOf(problem).startsWith("vault.") ? error("unlock.malformed") : problem;
  }
  return opening.take(answer);
}

/** The vault key by the copy kept here, where the relay is away. Raises vault.*, or the problem itself. */
async function instead(
  keeping: Keeping,
  candidate: Candidate,
  opening: Opening,
  problem: unknown,
  now: () => Moment,
  tell: Tell,
): Promise<Bytes> {
  const code = codeOf(problem);
  // The service itself says so, under this guess's own key: what is gone there is gone here too.
  if (code === "vault.destroyed") await dropOffline(keeping);
  if (code === "vault.wrong_pin" && candidate.pending)
    throw error(
      "vault.wrong_pin",
      `${(problem as Error).message} The PIN that was set last is the one that holds.`,
      { ...(problem as ChappeError).detail, reason: "last" },
    );
  if (!isAway(problem)) throw problem;
  tell("offline");
  const share = await openOffline(keeping, candidate, opening.a, now());
  if (!share) throw problem;
  try {
    return await opening.takeShare(share);
  } finally {
    wipe(share);
  }
}

async function end(keeping: Keeping): Promise<number | null> {
  const { offline } = await keeping.shelf.read();
  const { entry } = await keeping.current();
  return offline ? (await opened("offline", offline, entry)).until : null;
}

function isAway(problem: unknown): boolean {
  const code = codeOf(problem);
  return code.startsWith("network.") || code === "unlock.unavailable";
}

function codeOf(problem: unknown): string {
  return problem instanceof ChappeError ? problem.code : "";
}
