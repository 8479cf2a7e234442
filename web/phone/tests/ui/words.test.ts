/** Two languages, one set of keys, and the same places to fill in; every error that people meet has words. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { en } from "../../src/ui/i18n/en.ts";
import { fr } from "../../src/ui/i18n/fr.ts";
import { fill, type Key, t, words } from "../../src/ui/i18n/index.svelte.ts";
import {
  explain,
  explainPin,
  explainTry,
  explainWithPin,
  waitOf,
} from "../../src/ui/model/errors.ts";
import { judge, type PinReason } from "../../src/vault/pins.ts";
import { type Detail, error } from "../../src/wire/errors.ts";

const keys = Object.keys(en) as Key[];
const places = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();

test("both languages fill in the same", () => {
  expect(Object.keys(fr).sort()).toEqual([...keys].sort());
  for (const key of keys) expect(new Set(places(fr[key])), key).toEqual(new Set(places(en[key])));
});

test("nothing is empty or left in English", () => {
  // Words that are the same in both.
  const same = new Set<Key>([
    "list.names",
    "list.hits",
    "chat.message",
    "chat.attach.photo",
    "chat.photo",
    "chat.pause",
    "chat.position",
    "timer.300",
    "settings.idle.60",
    "settings.idle.300",
    "settings.idle.900",
    "settings.notifications",
    "version.number",
  ]);
  for (const key of keys) {
    expect(fr[key].trim(), key).not.toBe("");
    if (!same.has(key) && /[a-z]{4}/.test(en[key].replace(/\{\w+\}/g, "")))
      expect(fr[key], key).not.toBe(en[key]);
  }
});

test("every text is used by a page", () => {
  const ui = join(import.meta.dirname, "../../src/ui");
  const files = readdirSync(ui, { recursive: true, encoding: "utf8" });
  const sources = files.filter(
    (name) => /\.(ts|svelte)$/.test(name) && !/i18n.(en|fr)\.ts$/.test(name),
  );
  const source = sources.map((name) => readFileSync(join(ui, name), "utf8")).join("\n");
  const made = [...source.matchAll(/`([a-z][\w.]*\.)\$\{/g)].map((found) => found[1] ?? "");
  const unused = keys.filter((key) => {
    const counted = key.replace(/\.(one|other)$/, "");
    const named = source.includes(`"${key}"`) || source.includes(`"${counted}"`);
    return !named && !made.some((start) => key.startsWith(start));
  });
  expect(unused).toEqual([]);
});

test("what is filled in stays what it was", () => {
  expect(fill("{a} and {b}", { a: "{b}", b: "<i>" })).toBe("{b} and <i>");
  expect(fill("{a} {missing}", { a: 1 })).toBe("1 {missing}");
});

test("a name that is read from the right turns nothing around it", () => {
  expect(fill("{a} joined {b}", { a: "\u05d0\u05d1", b: "desk" })).toBe(
    "\u2068\u05d0\u05d1\u2069 joined desk",
  );
});

test("codes have words, and unknown ones say the code", () => {
  words.language = "fr";
  expect(explain({ code: "address.taken", message: "x" })).toBe(fr["error.address.taken"]);
  expect(explain({ code: "brand.new" })).toContain("brand.new");
  expect(explain(new Error("secret"))).toBe(fr["error.internal.bug"]);
  expect(explain(undefined)).toBe(fr["error.internal.bug"]);
  words.language = "en";
});

test("tries and waiting arrive as numbers, and each language words them", () => {
  const wrong = (detail: Detail) => error("vault.wrong_pin", "not for people", detail).toJSON();
  expect(explainTry(wrong({ tries: 6, wait: 60 }))).toBe(
    `${en["error.vault.wrong_pin"]} 6 tries are left.`,
  );
  expect(explainTry(wrong({ tries: 1 }))).toContain("nothing opens this device");
  expect(explainTry(wrong({ tries: 2, reason: "offline" }))).toContain(
    "2 tries are left without it",
  );
  expect(explainTry(wrong({ tries: 0, reason: "offline" }))).toContain(en["lock.offline.none"]);
  expect(explainTry(wrong({ reason: "taken" }))).toContain(en["lock.because.taken"]);
  expect(explainTry(wrong({ tries: 3, reason: "last" }))).toContain(en["lock.because.last"]);
  expect(explainTry({ code: "vault.wrong_pin", message: "9 tries are left" })).not.toContain("9");
  expect(waitOf(wrong({ wait: 61 }))).toBe("2 minutes");
  expect(waitOf(wrong({ wait: 8 * 3600 }))).toBe("8 hours");
  expect(waitOf(wrong({ wait: 1 }))).toBe("1 second");
  expect(waitOf({})).toBe("");
  words.language = "fr";
  expect(explainTry(wrong({ tries: 6 }))).toContain("Il reste 6 essais.");
  expect(waitOf(wrong({ wait: 3600 }))).toMatch(/^1\sheure$/);
  words.language = "en";
});

test("every reason of the vault's against a PIN is a code, and has words in both languages", () => {
  const source = readFileSync(join(import.meta.dirname, "../../src/vault/pins.ts"), "utf8");
  const thrown = new Set([...source.matchAll(/weak\(\s*"(\w+)"/g)].map((found) => found[1]));
  expect(thrown.size).toBe(10);
  for (const reason of thrown) expect(keys).toContain(`pin.reason.${reason}`);
  for (const pin of [
    "1",
    "x".repeat(300),
    "abcd\u0007efghijkl",
    "888888",
    "234567",
    "121212",
    "250380",
    "159753",
  ])
    expect(thrown).toContain(judge(pin)?.detail.reason);
  expect(explainPin({ reason: "short", least: 8 })).toMatch(/^8 digits or more/);
  expect(explainWithPin(judge("12345", [], 9)?.toJSON())).toMatch(/^9 digits or more/);
  expect(explainPin({ reason: "new" as PinReason, least: 6 })).toBe(t("pin.reason.weak"));
});
