import { formatNumber } from "../../../phone/src/ui/i18n/index.svelte.ts";
import { type Key, t, words } from "./index.ts";

/** The text for a number of things: `key` with `.one` or `.other`, as the language counts. */
export function plural<K extends string>(
  key: `${K}.one` extends Key ? (`${K}.other` extends Key ? K : never) : never,
  number: number,
): string {
  const form = new Intl.PluralRules(words.language).select(number) === "one" ? "one" : "other";
  return t(`${key}.${form}` as Key, { n: formatNumber(number) });
}
