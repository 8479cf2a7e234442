/** Times, money and sizes as the language writes them. */
import { words } from "../i18n/index.ts";

export { formatNumber as number } from "../../../phone/src/ui/i18n/index.svelte.ts";
export { size } from "../../../phone/src/ui/model/format.ts";

function locale(): string {
  return navigator.languages.find((one) => one.startsWith(words.language)) ?? words.language;
}

function format(when: string, options: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat(locale(), options).format(new Date(when));
}

/** `2026-11-29`, or a time, as a day. Days of terms, contracts and invoices are in UTC. */
export function day(when: string): string {
  const zone = when.length === 10 ? { timeZone: "UTC" } : {};
  return format(when, { dateStyle: "medium", ...zone });
}

export function dateTime(when: string): string {
  return format(when, { dateStyle: "medium", timeStyle: "short" });
}

export function clock(when: string): string {
  return format(when, { hour: "2-digit", minute: "2-digit" });
}

/** `2026-11` as "Nov 26". */
export function month(when: string): string {
  return format(`${when}-01`, { month: "short", year: "2-digit", timeZone: "UTC" });
}

/** From whole minor units. */
export function money(minor: number, currency: string, whole = false): string {
  const shown = new Intl.NumberFormat(words.language, {
    style: "currency",
    currency,
    ...(whole ? { maximumFractionDigits: 0 } : {}),
  });
  return shown.format(minor / units(currency));
}

/** Minor units in one of the currency: 100 cents, 1 franc CFA. */
export function units(currency: string): number {
  const { maximumFractionDigits } = new Intl.NumberFormat("en", {
    style: "currency",
    currency,
  }).resolvedOptions();
  return 10 ** (maximumFractionDigits ?? 2);
}

/** What somebody typed, `79,50` or `79.50`, in whole minor units. NaN for what is no number. */
export function minorOf(typed: string, currency: string): number {
  return Math.round(Number(typed.trim().replace(",", ".")) * units(currency));
}

/** From basis points. */
export function percent(points: number): string {
  return new Intl.NumberFormat(words.language, {
    style: "percent",
    maximumFractionDigits: 2,
  }).format(points / 10_000);
}

/** An activation code in groups, as it is typed. */
export function grouped(code: string): string {
  return code.match(/.{1,4}/g)?.join("-") ?? code;
}
