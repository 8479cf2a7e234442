/** What an officer signs and opens in the page is byte for byte what Python signs (tests/console/vectors.py). */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fromHex, toHex } from "../../phone/src/wire/bytes.ts";
import { openRegister } from "../../phone/src/wire/opening.ts";
import { batches, begin, EPOCHS, signRemovals } from "../src/officer/removals.ts";

const vectors = JSON.parse(
  readFileSync(new URL("../../../tests/console/vectors.json", import.meta.url), "utf8"),
);
const hex = (name: string) => fromHex(vectors[name]);
const places = (vectors.places as [string, number, number][]).map(([group, leaf, sender]) => ({
  group: fromHex(group),
  leaf,
  sender,
}));
const epochs = new Map<string, number>(Object.entries(vectors.epochs));

test("a register that was sealed to the officers opens", async () => {
  const found = await openRegister(hex("sealing"), hex("device"), hex("register"));
  expect(found).toEqual(places);
});

test("a register of another device, or one that was touched, does not", async () => {
  const refused = expect.objectContaining({ code: "roster.invalid" });
  await expect(openRegister(hex("sealing"), hex("order"), hex("register"))).rejects.toEqual(
    refused,
  );
  for (const at of [0, 1100, 1125, 2100]) {
    const touched = hex("register");
    touched[at] = (touched[at] ?? 0) ^ 1;
    await expect(openRegister(hex("sealing"), hex("device"), touched)).rejects.toEqual(refused);
  }
  await expect(
    openRegister(hex("sealing"), hex("device"), hex("register").slice(0, 900)),
  ).rejects.toEqual(refused);
});

test("removals are signed as Python signs them, of the groups that the relay knows", () => {
  const removal = begin(hex("order"), hex("device"), [...places, ...places.slice(0, 1)]);
  const signed = signRemovals(removal, epochs, hex("fleet"));
  const shown = signed.postings.map(({ group, proposals }) => [
    toHex(group),
    proposals.map(({ epoch, message }) => [epoch, toHex(message)]),
  ]);
  expect(shown).toEqual(vectors.postings);
});

test("nothing is signed twice, and all anew once a conversation ran past it", () => {
  const group = toHex(places[0]?.group ?? new Uint8Array());
  const first = signRemovals(
    begin(hex("order"), hex("device"), places),
    new Map([[group, 5]]),
    hex("fleet"),
  );
  for (const epoch of [5, 5 + EPOCHS - 1]) {
    const again = signRemovals(first.removal, new Map([[group, epoch]]), hex("fleet"));
    expect(again.postings).toEqual([]);
  }
  const past = signRemovals(first.removal, new Map([[group, 5 + EPOCHS]]), hex("fleet"));
  expect(past.postings[0]?.proposals.map((one) => one.epoch)).toEqual(
    Array.from({ length: EPOCHS }, (_, nth) => 5 + EPOCHS + nth),
  );
});

test("that there is nothing to remove is said as well", () => {
  expect(batches([])).toEqual([[]]);
  const many = Array.from({ length: 401 }, () => ({ group: hex("order"), proposals: [] }));
  expect(batches(many).map((one) => one.length)).toEqual([200, 200, 1]);
});
