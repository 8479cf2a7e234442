/**
 * A stream of one device's messages as a receiver has seen it: what is missing, what comes twice, what does not
 * follow (docs/decisions/0012). A value: each message gives the next one.
 */

import { type Bytes, equal } from "../wire/bytes";
import type { Link } from "../wire/chain";

/** Of a stream. Where there are more the oldest is closed: what still comes of it is taken in silence. */
export const MAX_HOLES = 32;
/** So many hashes are kept, to tell a repeat from another message of that number: no more are under way. */
export const RECENT = 64;

/**
 * Messages `first` to `last` have not come. `before`: the hash of the message before them, `after`: of the last of
 * them; null where that is not known. `since`: Unix seconds. `notice`: what was said of it, empty where nothing
 * was. A `quiet` one is from before this device came in: nothing is said of it.
 */
export interface Hole {
  first: number;
  last: number;
  before: Bytes | null;
  after: Bytes | null;
  since: number;
  quiet: boolean;
  notice: string;
}

/** `high`: the highest number seen, `hash` and `epoch` of that one. `forked`: a fork was seen. */
export interface Stream {
  high: number;
  hash: Bytes;
  epoch: number;
  holes: Hole[];
  recent: [number, Bytes][];
  forked: boolean;
}

export type Verdict = "new" | "again" | "fork";

/** `filled`: the notice of a hole that it is of, or empty. */
export interface Taken {
  stream: Stream;
  verdict: Verdict;
  filled: string;
}

/** One message with its hash. `joined`: the epoch in which this device came in. */
export function take(
  stream: Stream | undefined,
  link: Link,
  hash: Bytes,
  when: { now: number; joined: number },
): Taken {
  if (stream === undefined)
    return { stream: begun(link, hash, when.now), verdict: "new", filled: "" };
  if (link.counter > stream.high) return beyond(stream, link, hash, when);
  const hole = stream.holes.find((one) => one.first <= link.counter && link.counter <= one.last);
  if (hole !== undefined) {
    const holes = stream.holes.flatMap((one) => (one === hole ? without(one, link, hash) : [one]));
    const after = noted({ ...stream, holes: holes.slice(-MAX_HOLES) }, link.counter, hash);
    return judged(after, fits(hole, link, hash), hole.notice);
  }
  const known = stream.recent.find(([counter]) => counter === link.counter)?.[1];
  // Too long ago to tell: it opened, so it is new to MLS, and its id says whether it is here.
  if (known === undefined) return { stream, verdict: "new", filled: "" };
  return equal(known, hash) ? { stream, verdict: "again", filled: "" } : judged(stream, false);
}

function begun({ counter, epoch, before }: Link, hash: Bytes, now: number): Stream {
  const unseen = { first: 1, last: counter - 1, before: null, after: before, since: now };
  const holes = counter > 1 ? [{ ...unseen, quiet: true, notice: "" }] : [];
  return { high: counter, hash, epoch, holes, recent: [[counter, hash]], forked: false };
}

function beyond(
  stream: Stream,
  { counter, epoch, before }: Link,
  hash: Bytes,
  { now, joined }: { now: number; joined: number },
): Taken {
  const follows = counter === stream.high + 1;
  const hole = {
    first: stream.high + 1,
    last: counter - 1,
    before: stream.hash,
    after: before,
    since: now,
    quiet: stream.epoch < joined,
    notice: "",
  };
  const holes = follows ? stream.holes : [...stream.holes, hole].slice(-MAX_HOLES);
  const after = noted({ ...stream, high: counter, hash, epoch, holes }, counter, hash);
  return judged(after, !follows || equal(before, stream.hash));
}

const judged = (stream: Stream, fitting: boolean, filled = ""): Taken =>
  fitting
    ? { stream, verdict: "new", filled }
    : { stream: { ...stream, forked: true }, verdict: "fork", filled };

function noted(stream: Stream, counter: number, hash: Bytes): Stream {
  const kept = stream.recent.filter(([at]) => at > stream.high - RECENT);
  return { ...stream, recent: [...kept, [counter, hash]] };
}

/** What is left of a hole once this message came. */
function without(hole: Hole, { counter, before }: Link, hash: Bytes): Hole[] {
  const lower = { ...hole, last: counter - 1, after: before };
  const upper = { ...hole, first: counter + 1, before: hash };
  return [lower, upper].filter(({ first, last }) => first <= last);
}

function fits(hole: Hole, { counter, before }: Link, hash: Bytes): boolean {
  const lower = counter !== hole.first || hole.before === null || equal(hole.before, before);
  const upper = counter !== hole.last || hole.after === null || equal(hole.after, hash);
  return lower && upper;
}

export const countOf = ({ first, last }: Hole): number => last - first + 1;

/** How many are still missing of what a notice was said of. */
export const missing = (stream: Stream, notice: string): number =>
  stream.holes.reduce((sum, one) => (one.notice === notice ? sum + countOf(one) : sum), 0);
