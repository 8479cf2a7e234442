import "fake-indexeddb/auto";
import { beforeEach, expect, it } from "vitest";
import { Core } from "../../src/client/core";
import { newLine } from "../../src/client/identity";
import { forgetParked, Parked } from "../../src/client/parked";
import { Store } from "../../src/vault/store";

let core: Core;
let parked: Parked;

beforeEach(async () => {
  await Store.destroy();
  const store = await Store.create(new Uint8Array(32).fill(7));
  const place = { host: "relay.example", port: 443, pin: null };
  const me = newLine("ada@relay.example", place, new Uint8Array(), 1);
  core = await Core.open(me, store);
  parked = new Parked(core, { count: 5, bytes: 1000, all: 2500 });
});

async function come(conversation: string, ...sizes: number[]): Promise<void> {
  await core.change(async (tx) => {
    for (const size of sizes) await parked.add(tx, conversation, new Uint8Array(size), 1);
  });
}

async function kept(conversation: string): Promise<number[]> {
  return core.change(async (tx) =>
    (await parked.of(tx, conversation)).map(({ payload }) => payload.length),
  );
}

it("keeps so many of a conversation, the newest", async () => {
  await come("a", 1, 2, 3, 4, 5, 6, 7);
  expect(await kept("a")).toEqual([3, 4, 5, 6, 7]);
});

it("keeps so many bytes of a conversation", async () => {
  await come("a", 600, 300, 200);
  expect(await kept("a")).toEqual([300, 200]);
  await come("a", 1001);
  expect(await kept("a")).toEqual([]);
});

it("keeps so many bytes in all, and takes from the one that holds most", async () => {
  await come("a", 100, 100);
  await come("b", 500, 500);
  await come("c", 500, 500);
  await come("d", 400, 10);
  expect(await kept("a")).toEqual([100, 100]);
  expect([await kept("b"), await kept("c")]).toEqual([[500], [500, 500]]);
  expect(await kept("d")).toEqual([400, 10]);
});

it("counts what an earlier run kept", async () => {
  await come("a", 600, 300);
  await core.book.load(core.store);
  await come("a", 200);
  expect(await kept("a")).toEqual([300, 200]);
});

it("what was opened, and what a conversation took along, counts no more", async () => {
  await come("a", 900);
  await core.change(async (tx) => {
    for (const { row } of await parked.of(tx, "a")) parked.drop(tx, "a", row);
  });
  await come("a", 800);
  expect(await kept("a")).toEqual([800]);
  await core.change((tx) => forgetParked(core, tx, "a"));
  expect([await kept("a"), core.book.parked.size]).toEqual([[], 0]);
});
