/// <reference types="node" />

import "fake-indexeddb/auto";
import { beforeEach, expect, test } from "vitest";
import { Search, wordsOf } from "../../src/vault/search";
import { Store } from "../../src/vault/store";
import { randomBytes } from "../../src/wire/bytes";
import { bytesOf, dump } from "./raw";

let name = "";
let count = 0;
let store: Store;
let search: Search;

beforeEach(async () => {
  name = `search ${++count}`;
  store = await Store.create(randomBytes(32), { name });
  search = new Search(store);
});

const add = (id: string, text: string) => store.write((change) => search.put(change, id, text));
const find = (words: string, limit = 10) => search.find(words, limit);

test("words are folded and split", () => {
  expect(wordsOf("Été, l'ÉTÉ et STRASSE/Straße!")).toEqual(["ete", "l", "et", "strasse"]);
  expect(wordsOf("Ｆｕｌｌ ﬁle №5")).toEqual(["full", "file", "no5"]);
  expect(wordsOf("東京へ行く abc東")).toEqual(["東京", "京へ", "へ行", "行く", "く", "abc", "東"]);
  expect(wordsOf("… 🐎 —")).toEqual([]);
});

test("every word counts, the last one as a beginning, the newest first", async () => {
  await add("1", "Meet me at the old tower");
  await add("2", "The tower is old, the letter is new");
  await add("3", "A new letter for the télégraphe");
  expect(await find("tower")).toEqual(["2", "1"]);
  expect(await find("tow")).toEqual(["2", "1"]);
  expect(await find("OLD let")).toEqual(["2"]);
  expect(await find("let old")).toEqual([]);
  expect(await find("let ")).toEqual([]);
  expect(await find("letter ")).toEqual(["3", "2"]);
  expect(await find("telegr")).toEqual(["3"]);
  expect(await find("télégr")).toEqual(["3"]);
  expect(await find("the", 2)).toEqual(["3", "2"]);
  expect(await find("nothing")).toEqual([]);
  expect(await find("  ")).toEqual([]);
});

test("scripts without spaces are found by a part, and by a letter", async () => {
  await add("1", "東京へ行く");
  await add("2", "京都へ行く");
  expect(await find("東京")).toEqual(["1"]);
  expect(await find("都")).toEqual(["2"]);
  expect(await find("行く")).toEqual(["2", "1"]);
});

test("an edit changes what is found, a deletion takes it out", async () => {
  await add("1", "the tower");
  await add("2", "the tower");
  await add("1", "the bridge");
  expect(await find("tower")).toEqual(["2"]);
  expect(await find("bridge")).toEqual(["1"]);
  await store.write((change) => search.remove(change, "2"));
  await store.write((change) => search.remove(change, "2"));
  expect(await find("tower")).toEqual([]);
  expect(await find("the")).toEqual(["1"]);
  await add("1", "…");
  expect(await find("bridge")).toEqual([]);
});

test("the index changes with the message or not at all", async () => {
  const failing = store.write(async (change) => {
    await search.put(change, "1", "the tower");
    throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect(await find("tower")).toEqual([]);
  await store.write(async (change) => {
    await search.put(change, "1", "the tower");
    await search.put(change, "2", "the tower");
    await search.remove(change, "1");
  });
  expect(await find("tower")).toEqual(["2"]);
});

test("over many chunks", async () => {
  await store.write(async (change) => {
    for (let i = 1; i <= 1100; i++)
      await search.put(change, `m${i}`, i % 100 === 0 ? "common rare" : "common");
  });
  expect(await find("rare", 3)).toEqual(["m1100", "m1000", "m900"]);
  expect(await find("common rare", 100)).toHaveLength(11);
  expect(await find("common", 10_000)).toHaveLength(1100);
}, 30_000);

test("no word lies in the database", async () => {
  await add("id-CANARY", "Pneumonoultra silicovolcano");
  const all = bytesOf(await dump(name));
  for (const word of ["pneumono", "silicovolcano", "CANARY"])
    expect(all.includes(word)).toBe(false);
});
