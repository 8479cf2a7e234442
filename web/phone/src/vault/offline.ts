/**
 * Hours without the relay: a copy of the share, sealed under the PIN and `r`, for so long.
 *
 * The end is counted by the wall clock and, within one run of the program, by the time it has run. A clock
 * that was turned back is noticed down to the latest time that anything looked. More a browser cannot do:
 * whoever puts back an old copy of its files has the copy of the share back, too.
 */

import { type Bytes, bigEndian, concat, toHex, utf8 } from "../wire/bytes";
import { error } from "../wire/errors";
import { wipe } from "./bytes";
import { offlineKeyOf, unwrap, wrap } from "./keys";
import type { Entry } from "./keystore";
import { damaged, type OfflineCopy } from "./vault";

/** Wrong PINs without the relay; after the last the copy is destroyed. */
export const OFFLINE_TRIES = 5;
/** Seconds that a clock may go back without being called turned back: clocks are set right now and then. */
const SLACK = 120;
/** The latest time is written when it has moved by so much. */
export const STEP = 60;
const CONTEXT = utf8("chappe offline v1");

/** Now: by the wall, and since which start of this program. Seconds. */
export interface Moment {
  wall: number;
  run: string;
  up: number;
}

/** A copy for so many hours from now. */
export async function sealCopy(
  a: Bytes,
  entry: Entry,
  share: Bytes,
  hours: number,
  now: Moment,
): Promise<OfflineCopy> {
  const until = now.wall + hours * 3600;
  const r = await entry.r();
  const key = await offlineKeyOf(a, r);
  const sealed = await wrap(key, share, context(entry, until));
  wipe(key, r);
  const { wall, run, up } = now;
  return {
    version: 1,
    entry: entry.name,
    sealed,
    since: wall,
    until,
    seen: wall,
    run,
    up,
    tries: OFFLINE_TRIES,
  };
}

/**
 * The copy with the latest time seen; null where its time is over or its tries are spent: destroy it.
 *
 * Raises vault.clock where the clock was turned back.
 */
export function look(copy: OfflineCopy, now: Moment): OfflineCopy | null {
  const ran = now.run === copy.run ? Math.max(0, now.up - copy.up) : 0;
  const latest = Math.max(now.wall, copy.since + ran);
  if (latest > copy.until || copy.seen > copy.until || copy.tries === 0) return null;
  if (now.wall < copy.seen - SLACK) throw error("vault.clock");
  return { ...copy, seen: Math.max(copy.seen, latest) };
}

/** The share, or null for a wrong PIN. Raises storage.failed for another entry's copy. */
export async function openCopy(copy: OfflineCopy, a: Bytes, entry: Entry): Promise<Bytes | null> {
  if (toHex(copy.entry) !== entry.id) throw damaged("offline");
  const r = await entry.r();
  const key = await offlineKeyOf(a, r);
  const share = await unwrap(key, copy.sealed, context(entry, copy.until));
  wipe(key, r);
  return share;
}

function context(entry: Entry, until: number): Bytes {
  return concat(CONTEXT, entry.name, bigEndian(until, 8));
}
