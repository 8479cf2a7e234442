/** The console's words, English and French side by side; language and numbers are those of the phone's page. */
import { fill, words } from "../../../phone/src/ui/i18n/index.svelte.ts";
import { TABLE } from "./table.ts";

export { words } from "../../../phone/src/ui/i18n/index.svelte.ts";

export type Key = keyof typeof TABLE;

export function t(key: Key, values: Record<string, string | number> = {}): string {
  return fill(TABLE[key][words.language === "fr" ? 1 : 0], values);
}

/** For codes and values that a newer relay may know and this page may not. */
export function known(key: string): key is Key {
  return Object.hasOwn(TABLE, key);
}

/** `key` if there is a text for it, else what is given. */
export function maybe(key: string, otherwise: string): string {
  return known(key) ? t(key) : otherwise;
}
