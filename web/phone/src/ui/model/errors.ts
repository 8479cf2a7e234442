/** What went wrong, in words. Errors cross from the worker as `{code, message}`. */
import type { PinProblem } from "../../client/face.ts";
import type { PinReason } from "../../vault/pins.ts";
import type { Detail } from "../../wire/errors.ts";
import { count, formatNumber, formatUnit, known, t } from "../i18n/index.svelte.ts";

/** Of a PIN, where nothing asks for more. */
export const MIN_DIGITS = 6;

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

/** What the engine says beside the code: numbers and one word, never a sentence. */
export function detailOf(problem: unknown): Detail {
  const detail = (problem as { detail?: unknown } | null)?.detail;
  return typeof detail === "object" && detail !== null ? detail : {};
}

/** When the next try is due, in words, or "". */
export function waitOf(problem: unknown): string {
  const { wait } = detailOf(problem);
  if (wait === undefined || wait <= 0) return "";
  const unit = wait < 60 ? "second" : wait < 3600 ? "minute" : "hour";
  const length = { second: 1, minute: 60, hour: 3600 }[unit];
  return formatUnit(Math.ceil(wait / length), unit);
}

/** Why a PIN did not open: what it comes to, and the tries that are left. */
export function explainTry(problem: unknown): string {
  const { reason = "", tries } = detailOf(problem);
  if (codeOf(problem) !== "vault.wrong_pin") return explain(problem);
  const said = [explain(problem)];
  const more = `lock.because.${reason}`;
  if (reason === "offline") said.push(offline(tries ?? 0));
  else if (tries !== undefined) said.push(count("lock.tries", tries));
  if (known(more)) said.push(t(more));
  return said.join(" ");
}

const offline = (tries: number): string =>
  tries === 0 ? t("lock.offline.none") : count("lock.offline", tries);

/** The vault's reason against a PIN, in the language of the page. */
export function explainPin({ reason, least }: PinProblem): string {
  if (reason === "short") return t("pin.reason.short", { n: formatNumber(least) });
  const key = `pin.reason.${reason}`;
  return known(key) ? t(key) : t("pin.reason.weak");
}

/** A failure in which a PIN was refused says why. */
export function explainWithPin(problem: unknown): string {
  const { reason, least } = detailOf(problem);
  if (codeOf(problem) !== "vault.weak_pin" || reason === undefined) return explain(problem);
  return explainPin({ reason: reason as PinReason, least: least ?? MIN_DIGITS });
}
