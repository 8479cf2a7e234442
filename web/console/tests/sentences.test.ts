/** What the desk says in English is said in French on a French page. */
import { expect, test } from "vitest";
import table from "../src/i18n/sentences.json";
import { inFrench } from "../src/i18n/sentences.ts";

test("each sentence has a French one, with the same places", () => {
  for (const [english, french] of Object.entries(table)) {
    const places = (text: string) => text.split("{}").length - 1;
    // A pattern is nothing that people read.
    if (!/pattern|integer, |valid date/.test(english))
      expect(places(french), english).toBe(places(english));
    expect(inFrench(english.replaceAll("{}", "7"))).toBe(french.replaceAll("{}", "7"));
  }
});

test("what is filled in is kept, and what is not known is shown as it came", () => {
  expect(inFrench("Only 12.50 EUR of this invoice are owed.")).toBe(
    "Seuls 12.50 EUR restent dus sur cette facture.",
  );
  expect(inFrench("It has 3 cells; the header has 4.")).toBe(
    "Elle a 3 cellules ; l'en-tête en a 4.",
  );
  expect(inFrench("A newer desk says this.")).toBe("A newer desk says this.");
});
