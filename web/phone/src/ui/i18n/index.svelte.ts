/** Words in two languages: the same keys in both, by type. Dates and numbers as the language writes them. */
import { en } from "./en.ts";
import { fr } from "./fr.ts";

export type Key = keyof typeof en;
export type Language = "en" | "fr";
type Values = Record<string, string | number>;

const TABLES: Record<Language, Record<Key, string>> = { en, fr };
const KEPT = "chappe.language";

class Words {
  language = $state<Language>(first());

  choose(language: Language): void {
    this.language = language;
    localStorage.setItem(KEPT, language);
    document.documentElement.lang = language;
  }
}

export const words = new Words();

function first(): Language {
  const kept = typeof localStorage === "undefined" ? null : localStorage.getItem(KEPT);
  if (kept === "en" || kept === "fr") return kept;
  const asked = typeof navigator === "undefined" ? "" : navigator.language;
  return asked.toLowerCase().startsWith("fr") ? "fr" : "en";
}

/** The text of `key`, with `{name}` filled in. */
export function t(key: Key, values: Values = {}): string {
  return fill(TABLES[words.language][key], values);
}

/** The text for a number of things: `key` with `.one` or `.other`, as the language counts. */
export function count<K extends string>(
  key: `${K}.one` extends Key ? (`${K}.other` extends Key ? K : never) : never,
  number: number,
  values: Values = {},
): string {
  const form = new Intl.PluralRules(words.language).select(number) === "one" ? "one" : "other";
  return t(`${key}.${form}` as Key, { n: formatNumber(number), ...values });
}

/** Whether there is a text for it: codes of newer engines may be unknown here. */
export function known(key: string): key is Key {
  return key in en;
}

export function formatNumber(number: number): string {
  return new Intl.NumberFormat(words.language).format(number);
}

/** "5 minutes", as the language writes it. */
export function formatUnit(number: number, unit: "second" | "minute" | "hour" | "day"): string {
  const options = { style: "unit", unit, unitDisplay: "long" } as const;
  return new Intl.NumberFormat(words.language, options).format(number);
}

export function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) =>
    name in values ? apart(String(values[name])) : whole,
  );
}

const TURNS =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

/** A name that is read from the right turns nothing of the sentence around it (Unicode UAX 9, isolates). */
// By number: as text the build would warn of them.
const [FIRST_STRONG, END] = [String.fromCodePoint(0x2068), String.fromCodePoint(0x2069)];
const apart = (value: string): string =>
  TURNS.test(value) ? `${FIRST_STRONG}${value}${END}` : value;
