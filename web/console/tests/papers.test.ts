/** What an officer signs and opens in the page is byte for byte what Python signs (tests/console/vectors.py). */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fromHex, toHex } from "../../phone/src/wire/bytes.ts";
import { publicKey } from "../../phone/src/wire/certificate.ts";
import { openRegister } from "../../phone/src/wire/opening.ts";
import { checkChain } from "../../phone/src/wire/rosters.ts";
import { checkDraft, drafted, signedAlso } from "../src/officer/appointing.ts";
import { accepted, newcomer, type Officer, openOfficer } from "../src/officer/file.ts";
import {
  answer,
  asOfficer,
  checkRequest,
  digitsOf,
  openAnswer,
  paperFile,
  readPaper,
  request,
} from "../src/officer/papers.ts";
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

const paper = (name: string) => new Blob([hex(name)]);
const unreadable = expect.objectContaining({ code: "file.unreadable" });

test("a request of the command line is read, checked, and spoken as the same digits", async () => {
  const asked = await readPaper(paper("request"), request);
  checkRequest(asked);
  expect(asked.name).toBe("Cyd");
  expect(await digitsOf(asked)).toBe(vectors.digits);
  expect(new Uint8Array(await paperFile(asked).arrayBuffer())).toEqual(hex("request"));
  expect(() => checkRequest({ ...asked, name: "Eve" })).toThrowError(unreadable);
  await expect(readPaper(paper("answer"), request)).rejects.toEqual(unreadable);
  await expect(readPaper(new Blob([hex("request").slice(0, -1)]), request)).rejects.toEqual(
    unreadable,
  );
});

test("an answer of the command line opens with the newcomer's key alone", async () => {
  const given = await readPaper(paper("answer"), answer);
  expect(toHex(await openAnswer(given, hex("newcomer_sealing")))).toBe(vectors.seed);
  await expect(openAnswer(given, hex("sealing"))).rejects.toEqual(unreadable);
});

test("a newcomer's file is made, asks, and takes no answer that is another's", async () => {
  const words = "violets at the ministry";
  const made = await newcomer("Dora", words, 1);
  await expect(openOfficer(made.file, words)).rejects.toMatchObject({
    code: "organisation.unknown",
  });
  const given = await readPaper(paper("answer"), answer);
  await expect(accepted(made.file, words, given)).rejects.toEqual(unreadable);
  for (const easy of ["123456789012", "dora dora dora", "short"])
    await expect(newcomer("Dora", easy, 1)).rejects.toMatchObject({ code: "vault.weak_pin" });
}, 20_000);

test("the next roster is signed by as many as must, and is for that moment alone", async () => {
  const { rosters } = await readPaper(paper("answer"), answer);
  const asked = await readPaper(paper("request"), request);
  const fleet = { fleet: hex("fleet"), fleetPublic: publicKey(hex("fleet")) };
  const ada = { ...fleet, id: new Uint8Array(16).fill(4), signing: hex("ada") } as Officer;
  const cyd = { ...fleet, id: asked.id, signing: hex("newcomer") } as Officer;
  const first = checkChain(rosters, fleet.fleetPublic);
  const both = [...first.roster.officers, asOfficer(asked)];
  const appoints = drafted(first, both, asked, ada, 2);
  expect(checkDraft(first, appoints)).toEqual({ added: [asOfficer(asked)], removed: [] });
  // Somebody else's request beside it, or none at all.
  const other = (await newcomer("Eve", "violets at the ministry", 1)).request;
  for (const request of [other, null])
    expect(() => checkDraft(first, { ...appoints, request })).toThrowError(unreadable);
  // Who is on no roster signs none.
  expect(() => checkDraft(first, drafted(first, both, asked, cyd, 2))).toThrowError(unreadable);
  const now = checkChain([...rosters, appoints.roster], fleet.fleetPublic);
  expect(() => checkDraft(now, appoints)).toThrowError(unreadable);
  const removes = drafted(now, first.roster.officers, null, ada, 3);
  const chain = [...rosters, appoints.roster];
  expect(() => checkChain([...chain, removes.roster], fleet.fleetPublic)).toThrow();
  const signed = signedAlso(now, removes, cyd);
  expect(checkChain([...chain, signed.roster], fleet.fleetPublic).roster.officers).toHaveLength(1);
  // The same officer twice is one officer.
  expect(signedAlso(now, removes, ada).roster.officers).toHaveLength(1);
}, 20_000);
