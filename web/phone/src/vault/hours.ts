/** Hours without the relay, as they are kept: what offline.ts says, on the shelf. */

import { type Bytes, toHex } from "../wire/bytes";
import { error } from "../wire/errors";
import type { Candidate, Keeping } from "./keeping";
import { look, type Moment, OFFLINE_TRIES, openCopy, STEP, sealCopy } from "./offline";
import { exclusive } from "./turns";
import { keep, type OfflineCopy, opened } from "./vault";

/** After an unlock by the relay: a copy for the policy's hours, or none. */
export async function keepOffline(
  keeping: Keeping,
  candidate: Candidate,
  a: Bytes,
  share: Bytes,
  now: Moment,
): Promise<void> {
  const hours = candidate.vault.policy.offlineHours;
  if (hours === 0) return dropOffline(keeping);
  await write(keeping, candidate, await sealCopy(a, candidate.entry, share, hours, now));
}

export async function dropOffline(keeping: Keeping): Promise<void> {
  const { offline } = await keeping.shelf.read();
  if (offline) await keeping.shelf.change(() => ({ offline: null }));
}

/**
 * The offline copy, its latest time brought up to now; null where there is none any more. One that is
 * expired, damaged or of another PIN is destroyed. Raises vault.clock, vault.no_pin.
 */
export async function lookOffline(keeping: Keeping, now: Moment): Promise<OfflineCopy | null> {
  const state = await keeping.shelf.read();
  if (!state.offline) return null;
  const current = await keeping.current();
  const copy = await opened("offline", state.offline, current.entry).catch(() => null);
  const seen = copy && look(copy, now);
  if (!copy || !seen) {
    await dropOffline(keeping);
    return null;
  }
  if (seen.seen >= copy.seen + STEP) await write(keeping, current, seen);
  return seen;
}

/**
 * The share from the offline copy; null where there is none.
 *
 * Raises vault.clock; vault.wrong_pin, a try taken off, durably, before it is looked at.
 */
export function openOffline(
  keeping: Keeping,
  candidate: Candidate,
  a: Bytes,
  now: Moment,
): Promise<Bytes | null> {
  // Guesses in parallel would each see the same number of tries.
  return exclusive("chappe offline", () => tryCopy(keeping, candidate, a, now));
}

async function tryCopy(
  keeping: Keeping,
  candidate: Candidate,
  a: Bytes,
  now: Moment,
): Promise<Bytes | null> {
  const copy = await lookOffline(keeping, now);
  if (!copy || toHex(copy.entry) !== candidate.entry.id) return null;
  const left = { ...copy, tries: copy.tries - 1 };
  await write(keeping, candidate, left);
  const share = await openCopy(left, a, candidate.entry);
  if (share) {
    await write(keeping, candidate, { ...copy, tries: OFFLINE_TRIES });
    return share;
  }
  if (left.tries === 0) await dropOffline(keeping);
  throw error("vault.wrong_pin", wrongOffline(left.tries), {
    reason: "offline",
    tries: left.tries,
  });
}

async function write(keeping: Keeping, { entry }: Candidate, copy: OfflineCopy): Promise<void> {
  const offline = await keep("offline", copy, entry);
  await keeping.shelf.change(() => ({ offline }));
}

function wrongOffline(tries: number): string {
  return tries === 0
    ? "That is not the PIN; from here on only the relay opens this profile."
    : `That is not the PIN: ${tries} more without the relay, which does not answer.`;
}
