/** What a person is told of a term, in both languages: a reminder at 30, 7 and 1 days, and what holds after. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Term } from "../../src/client/face.ts";
import { words } from "../../src/ui/i18n/index.svelte.ts";
import { daysLeft, isDue, reminder, termWords } from "../../src/ui/model/term.ts";

const DAY = 86_400;
/** Midnight after 15 July 2027, UTC. */
const ENDS = Date.UTC(2027, 6, 16) / 1000;

function term(stage: Term["stage"] = "active"): Term {
  return {
    stage,
    ends: ENDS,
    suspends: ENDS + 14 * DAY,
    closes: ENDS + 90 * DAY,
    forgotten: ENDS + 120 * DAY,
  };
}

beforeEach(() => {
  vi.stubGlobal("navigator", { languages: ["en-GB", "fr-FR"] });
});

afterEach(() => {
  vi.unstubAllGlobals();
  words.language = "en";
});

test("days are those of the calendar in UTC", () => {
  expect(daysLeft(term(), ENDS - 1)).toBe(0);
  expect(daysLeft(term(), ENDS - DAY)).toBe(0);
  expect(daysLeft(term(), ENDS - DAY - 1)).toBe(1);
  expect(daysLeft(term(), ENDS)).toBe(-1);
});

test("a reminder is due at thirty, seven and one days", () => {
  const at = (left: number) => reminder(term(), ENDS - DAY - left * DAY);
  expect([31, 30, 8, 7, 2, 1, 0, -1].map(at)).toEqual([null, 30, 30, 7, 7, 1, 1, null]);
});

test("nobody is bothered while there is time, or where there is no term", () => {
  expect(isDue(null, ENDS)).toBe(false);
  expect(isDue(term(), ENDS - 40 * DAY)).toBe(false);
  expect(isDue(term(), ENDS - 20 * DAY)).toBe(true);
  for (const stage of ["grace", "suspended", "closed"] as const)
    expect(isDue(term(stage), ENDS)).toBe(true);
});

test.each([
  ["en", "15 July 2027|July 15, 2027"],
  ["fr", "15 juillet 2027"],
] as const)("in words (%s), the last day is the one in UTC", (language, day) => {
  words.language = language;
  expect(termWords(term(), ENDS - 100 * DAY)).toMatch(new RegExp(day));
  const said = [
    termWords(null, 0),
    termWords(term(), ENDS - 20 * DAY),
    termWords(term(), ENDS - 2 * DAY),
    termWords(term(), ENDS - 1),
    termWords(term("grace"), ENDS),
    termWords(term("suspended"), ENDS),
    termWords(term("closed"), ENDS),
  ];
  expect(new Set(said).size).toBe(said.length);
  for (const one of said) expect(one).not.toMatch(/[{}]|undefined/);
  expect(said[1]).toMatch(/19/);
});
