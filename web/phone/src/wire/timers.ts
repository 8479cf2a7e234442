/**
 * What an organisation rules of disappearing messages (docs/protocol.md section 12.2): seconds, 0 where it rules
 * nothing. The phone and its pages reckon with the same.
 */

export const MIN_TIMER = 30;
/** The most that a conversation's own timer may be, too. */
export const MAX_TIMER = 366 * 24 * 3600;
/** What the pages offer, the shortest first. */
export const TIMERS = [30, 300, 3_600, 28_800, 86_400, 604_800, 2_419_200];

/** No timer so short that nobody can read, and none that begins beyond the maximum. */
export function areSound(first: number, most: number): boolean {
  const short = [first, most].some((one) => one > 0 && one < MIN_TIMER);
  return !short && !(most > 0 && first > most);
}

/** What a new conversation begins with: a maximum without a default is the default. */
export const firstTimer = (first: number, most: number): number => first || most;

/** What a device obeys where a conversation's members agreed on `agreed` (0: never). */
export const timerWithin = (agreed: number, most: number): number =>
  most > 0 && (agreed === 0 || agreed > most) ? most : agreed;

/** What is offered to people: 0 for off where there is no maximum, and the maximum itself where there is. */
export function timersWithin(most: number): number[] {
  if (most === 0) return [0, ...TIMERS];
  return [...TIMERS.filter((one) => one < most), most];
}
