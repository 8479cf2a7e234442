/** The console's words: both languages say the same, and none is left out. */
import { expect, test } from "vitest";
import { TABLE } from "../src/i18n/table.ts";

const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((one) => one[1]).sort();

test("both languages have the same places to fill in", () => {
  for (const [key, [english, french]] of Object.entries(TABLE)) {
    expect(places(french), key).toEqual(places(english));
    expect(english.trim(), key).not.toBe("");
    expect(french.trim(), key).not.toBe("");
  }
});

test("what counts has both forms", () => {
  const keys = Object.keys(TABLE);
  for (const key of keys.filter((one) => one.endsWith(".one")))
    expect(keys).toContain(key.replace(/\.one$/, ".other"));
});
