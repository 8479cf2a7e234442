/** What went wrong, in words. Errors cross from the worker as `{code, message}`. */
import { known, t } from "../i18n/index.svelte.ts";

export function codeOf(problem: unknown): string {
  const code = (problem as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "internal.bug";
}

export function explain(problem: unknown): string {
  return explainCode(codeOf(problem));
}

export function explainCode(code: string): string {
  const key = `error.${code}`;
  return known(key) ? t(key) : t("error.unknown", { code });
}

/** When the next try is due, if the engine says so: "… in 5 minutes." is for people, so only the number counts. */
export function waitOf(problem: unknown): string {
  const message = (problem as { message?: unknown } | null)?.message;
  const found = typeof message === "string" ? /(\d+) (second|minute|hour)s?/.exec(message) : null;
  return found ? `${found[1]} ${UNITS[found[2] ?? ""] ?? ""}` : "";
}

const UNITS: Record<string, string> = { second: "s", minute: "min", hour: "h" };

/** How many tries the engine says are left, or null. */
export function triesOf(problem: unknown): number | null {
  const message = (problem as { message?: unknown } | null)?.message;
  const found = typeof message === "string" ? /(\d+) (?:tries|try)/.exec(message) : null;
  return found ? Number(found[1]) : null;
}

const REASONS: [RegExp, Parameters<typeof t>[0]][] = [
  [/digits or more|characters or more|has \d+ digits/i, "pin.reason.short"],
  [/at most/i, "pin.reason.long"],
  [/control/i, "pin.reason.control"],
  [/same (few|parts?|characters|letters|words)|repeated/i, "pin.reason.repeated"],
  [/same digit|again and again/i, "pin.reason.same"],
  [/in a row|keyboard|alphabet/i, "pin.reason.run"],
  [/date/i, "pin.reason.date"],
  [/most used|common/i, "pin.reason.common"],
  [/own|address|name/i, "pin.reason.own"],
  [/different/i, "pin.reason.few"],
];

/** The vault's reason against a PIN, in the language of the page. "" for none. */
export function explainPin(reason: string): string {
  if (reason === "") return "";
  return t(REASONS.find(([pattern]) => pattern.test(reason))?.[1] ?? "pin.reason.weak");
}
