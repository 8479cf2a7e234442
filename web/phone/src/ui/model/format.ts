/** Times, sizes and names as people read them. */
import { formatUnit, type Key, known, t, words } from "../i18n/index.svelte.ts";

const DAY = 24 * 3600;
/** The last second that a Date can be (ECMA-262, section 21.4.1.1). */
const LAST = 8.64e12;

/** Times come from others: one that no calendar has is the nearest that is, and none is the first of all. */
function dated(seconds: number): Date {
  return new Date(Math.min(LAST, Math.max(-LAST, seconds || 0)) * 1000);
}

/** For a `datetime` attribute. */
export function machineTime(seconds: number): string {
  return dated(seconds).toISOString();
}

export function clock(seconds: number): string {
  return format(seconds, { hour: "2-digit", minute: "2-digit" });
}

export function dateTime(seconds: number): string {
  return format(seconds, { dateStyle: "long", timeStyle: "short" });
}

export function dateOnly(seconds: number): string {
  return format(seconds, { dateStyle: "medium" });
}

/** The day as the calendar has it in UTC, where a term ends. */
export function utcDay(seconds: number): string {
  return format(seconds, { dateStyle: "long", timeZone: "UTC" });
}

/** Today: the time; this week: the day; else the date. For the list. */
export function short(seconds: number, now = Date.now() / 1000): string {
  const days = daysBetween(seconds, now);
  if (days === 0) return clock(seconds);
  if (days === 1) return t("chat.yesterday");
  if (days < 7) return format(seconds, { weekday: "short" });
  return format(seconds, { day: "numeric", month: "short" });
}

/** Between the messages of two days. */
export function dayName(seconds: number, now = Date.now() / 1000): string {
  const days = daysBetween(seconds, now);
  if (days === 0) return t("chat.today");
  if (days === 1) return t("chat.yesterday");
  const year = dated(seconds).getFullYear() === dated(now).getFullYear();
  return format(seconds, {
    weekday: "long",
    day: "numeric",
    month: "long",
    ...(year ? {} : { year: "numeric" }),
  });
}

export function sameDay(one: number, other: number): boolean {
  return daysBetween(one, other) === 0;
}

function daysBetween(one: number, other: number): number {
  return Math.abs(midnight(other) - midnight(one));
}

/** Days since 1970 where this device is. */
function midnight(seconds: number): number {
  const date = dated(seconds);
  return Math.floor(date.getTime() / 1000 / DAY - date.getTimezoneOffset() / 1440);
}

/** The device's own kind of English or French: 17:30 or 5:30 PM. */
function locale(): string {
  return navigator.languages.find((one) => one.startsWith(words.language)) ?? words.language;
}

/** Making a formatter takes longer than a whole bubble: there are a few, made once. */
const formatters = new Map<string, Intl.DateTimeFormat>();

function format(seconds: number, options: Intl.DateTimeFormatOptions): string {
  const key = `${locale()} ${JSON.stringify(options)}`;
  const formatter = formatters.get(key) ?? new Intl.DateTimeFormat(locale(), options);
  formatters.set(key, formatter);
  return formatter.format(dated(seconds));
}

/** In how long from now, in words: "in 3 hours". */
export function from(seconds: number, now = Date.now() / 1000): string {
  const left = Math.min(LAST, Math.max(0, seconds - now || 0));
  const relative = new Intl.RelativeTimeFormat(words.language, { numeric: "always" });
  if (left < 90) return relative.format(Math.ceil(left), "second");
  if (left < 5400) return relative.format(Math.round(left / 60), "minute");
  if (left < 2 * DAY) return relative.format(Math.round(left / 3600), "hour");
  return relative.format(Math.round(left / DAY), "day");
}

/** 1,4 MB; in French Mo. */
export function size(bytes: number): string {
  const units = words.language === "fr" ? ["o", "ko", "Mo", "Go"] : ["B", "kB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = value < 10 && unit > 0 ? 1 : 0;
  const number = new Intl.NumberFormat(words.language, { maximumFractionDigits: digits });
  return `${number.format(value)} ${units[unit]}`;
}

/** 0:07, 12:30. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** A timer in words, whatever a program set: in the largest unit that goes into it. */
export function timer(seconds: number): string {
  const key = `timer.${seconds}`;
  if (known(key)) return t(key as Key);
  const units = [
    ["day", 86_400],
    ["hour", 3_600],
    ["minute", 60],
  ] as const;
  const [unit, length] = units.find(([, one]) => seconds % one === 0) ?? (["second", 1] as const);
  return formatUnit(seconds / length, unit);
}

/** The part of an address that people say. */
export function nameOf(address: string): string {
  return address.split("@")[0] || address;
}

/** Names in one phrase: "ada, ben and cyd". */
export function list(names: string[]): string {
  return new Intl.ListFormat(words.language, { type: "conjunction" }).format(names);
}

/** A long hexadecimal text in groups that can be read out. */
export function grouped(text: string, by = 4): string {
  return text.match(new RegExp(`.{1,${by}}`, "g"))?.join(" ") ?? "";
}
