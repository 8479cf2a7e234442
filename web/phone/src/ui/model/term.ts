/** The line's term in words: a reminder at 30, 7 and 1 days, and what holds after its end. */
import type { Term } from "../../client/face.ts";
import { count, t } from "../i18n/index.svelte.ts";
import { utcDay } from "./format.ts";

const DAY = 24 * 3600;
export const REMINDER_DAYS = [30, 7, 1] as const;

/** Whole days after today that are paid, in UTC: 0 on the last one. */
export function daysLeft(term: Term, now: number): number {
  return Math.floor((term.ends - 1) / DAY) - Math.floor(now / DAY);
}

/** Which reminder is due; null while there is time, and after the end. */
export function reminder(term: Term, now: number): number | null {
  const left = daysLeft(term, now);
  if (term.stage !== "active" || left < 0) return null;
  return REMINDER_DAYS.filter((days) => left <= days).at(-1) ?? null;
}

/** In one sentence or two, how it stands. */
export function termWords(term: Term | null, now: number): string {
  if (term === null) return t("term.none");
  const day = utcDay(term.ends - 1);
  if (term.stage === "grace") return t("term.grace", { day, next: utcDay(term.suspends) });
  if (term.stage === "suspended") return t("term.suspended", { day, next: utcDay(term.closes) });
  if (term.stage === "closed") return t("term.closed", { day, next: utcDay(term.forgotten) });
  const left = daysLeft(term, now);
  if (reminder(term, now) === null) return t("term.until", { day });
  if (left <= 0) return t("term.today");
  return left === 1 ? t("term.tomorrow") : count("term.left", left, { day });
}

/** Whether a person is to be told without asking: a reminder is due, or the term is over. */
export function isDue(term: Term | null, now: number): term is Term {
  return term !== null && (term.stage !== "active" || reminder(term, now) !== null);
}
