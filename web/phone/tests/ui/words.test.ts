/** Two languages, one set of keys, and the same places to fill in; every error that people meet has words. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { en } from "../../src/ui/i18n/en.ts";
import { fr } from "../../src/ui/i18n/fr.ts";
import { fill, type Key, t, words } from "../../src/ui/i18n/index.svelte.ts";
import { explain, explainPin, triesOf, waitOf } from "../../src/ui/model/errors.ts";

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

test("what is filled in stays what it was", () => {
  expect(fill("{a} and {b}", { a: "{b}", b: "<i>" })).toBe("{b} and <i>");
  expect(fill("{a} {missing}", { a: 1 })).toBe("1 {missing}");
});

test("codes have words, and unknown ones say the code", () => {
  words.language = "fr";
  expect(explain({ code: "address.taken", message: "x" })).toBe(fr["error.address.taken"]);
  expect(explain({ code: "brand.new" })).toContain("brand.new");
  expect(explain(new Error("secret"))).toBe(fr["error.internal.bug"]);
  expect(explain(undefined)).toBe(fr["error.internal.bug"]);
  words.language = "en";
});

test("what the share service says of tries and waiting is found", () => {
  const wrong = { message: "That is not the PIN: 6 tries are left, the next in 1 minute." };
  expect(triesOf(wrong)).toBe(6);
  expect(waitOf(wrong)).toBe("1 min");
  expect(
    triesOf({ message: "That is not the PIN: 1 try is left; after a wrong one nothing" }),
  ).toBe(1);
  expect(waitOf({ message: "Too many wrong PINs: the next try is in 8 hours." })).toBe("8 h");
  expect(waitOf({})).toBe("");
});

test("every reason of the vault's against a PIN has its own words", () => {
  const python = readFileSync(
    join(import.meta.dirname, "../../../../src/chappe/vault/pins.py"),
    "utf8",
  );
  const reasons = [...python.matchAll(/_weak\(f?"([^"]+)"/g)].map((found) => found[1] ?? "");
  expect(reasons.length).toBeGreaterThan(12);
  for (const reason of reasons) expect(explainPin(reason), reason).not.toBe(t("pin.reason.weak"));
  expect(explainPin("")).toBe("");
  expect(explainPin("Something new.")).toBe(t("pin.reason.weak"));
});
