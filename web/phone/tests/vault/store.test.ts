import "fake-indexeddb/auto";
import { beforeEach, expect, test } from "vitest";
import { Store, table } from "../../src/vault/store";
import { randomBytes } from "../../src/wire/bytes";

interface Note {
  text: string;
  raw?: Uint8Array;
}
const notes = table<Note>("notes");
const ratchets = table<{ n: number }>("ratchets");
const key = randomBytes(32);
let name = "";
let count = 0;

beforeEach(() => {
  name = `store ${++count}`;
});

const create = () => Store.create(key, { name, guarded: ["ratchets"] });
const reopen = () => Store.open(key, { name, guarded: ["ratchets"] });

test("what was written is there after closing and opening", async () => {
  const store = await create();
  await store.write((change) => {
    change.put(notes, "a", { text: "one", raw: new Uint8Array([1, 2, 3]) });
    change.put(notes, new Uint8Array([97]), { text: "bytes are another name" });
  });
  store.close();
  await expect(store.get(notes, "a")).rejects.toMatchObject({ code: "vault.locked" });
  const again = await reopen();
  expect(await again.get(notes, "a")).toEqual({ text: "one", raw: new Uint8Array([1, 2, 3]) });
  expect(await again.get(notes, new Uint8Array([97]))).toEqual({ text: "bytes are another name" });
  expect(await again.get(notes, "b")).toBeUndefined();
  expect(await again.all(notes)).toHaveLength(2);
});

test("a change sees what it staged, others only what was committed", async () => {
  const store = await create();
  const change = store.begin();
  change.put(notes, "c", { text: "two" }, 2);
  change.put(notes, "c", { text: "three" }, 3);
  change.delete(notes, "c", 3);
  expect(await change.get(notes, "c", 2)).toEqual({ text: "two" });
  expect(await change.get(notes, "c", 3)).toBeUndefined();
  expect(await store.get(notes, "c", 2)).toBeUndefined();
  await change.commit();
  expect(await store.range(notes, "c")).toEqual([{ number: 2, value: { text: "two" } }]);
});

test("several records at once, with what is staged", async () => {
  const store = await create();
  await store.write((change) => {
    for (const word of ["a", "b", "c"]) change.put(notes, word, { text: word }, 7);
  });
  const at = [
    ["c", 7],
    ["nowhere", 7],
    ["a", 7],
    ["b", 7],
    ["a", 8],
  ] as const;
  expect(await store.several(notes, at)).toEqual([
    { text: "c" },
    undefined,
    { text: "a" },
    { text: "b" },
    undefined,
  ]);
  expect(await store.several(notes, [])).toEqual([]);
  await expect(store.several(ratchets, at)).rejects.toThrow(TypeError);
  const change = store.begin();
  change.delete(notes, "c", 7);
  change.put(notes, "a", { text: "new" }, 8);
  expect(await change.several(notes, at)).toEqual([
    undefined,
    undefined,
    { text: "a" },
    { text: "b" },
    { text: "new" },
  ]);
  change.drop();
});

test("a counter goes on where the last committed change left it, in the next session too", async () => {
  const store = await create();
  const next = () => store.write((change) => change.next("n"));
  expect([await next(), await next()]).toEqual([1, 2]);
  const dropped = store.begin();
  expect(await dropped.next("n")).toBe(3);
  dropped.drop();
  const both = store.write((change) => Promise.all([change.next("n"), change.next("n")]));
  expect(await both).toEqual([3, 4]);
  store.close();
  const again = await reopen();
  expect(await again.write((change) => change.next("n"))).toBe(5);
});

test("ranges, from either end, with what is staged", async () => {
  const store = await create();
  await store.write((change) => {
    for (let i = 1; i <= 20; i++) change.put(notes, "r", { text: `${i}` }, i);
    change.put(notes, "other", { text: "not in it" }, 5);
  });
  const numbers = (rows: { number: number }[]) => rows.map((row) => row.number);
  expect(numbers(await store.range(notes, "r", { newest: true, limit: 3 }))).toEqual([20, 19, 18]);
  expect(numbers(await store.range(notes, "r", { limit: 3 }))).toEqual([1, 2, 3]);
  expect(numbers(await store.range(notes, "r", { to: 5, newest: true, limit: 2 }))).toEqual([5, 4]);
  expect(numbers(await store.range(notes, "r", { to: 5, newest: true, limit: 50 }))).toEqual([
    5, 4, 3, 2, 1,
  ]);
  expect(numbers(await store.range(notes, "r", { newest: true, limit: 1 }))).toEqual([20]);
  expect(numbers(await store.range(notes, "r", { from: 18, newest: true }))).toEqual([20, 19, 18]);
  expect(await store.range(notes, "none", { newest: true, limit: 2 })).toEqual([]);
  await store.write(async (change) => {
    change.delete(notes, "r", 20);
    change.put(notes, "r", { text: "21" }, 21);
    expect(numbers(await change.range(notes, "r", { newest: true, limit: 3 }))).toEqual([
      21, 19, 18,
    ]);
  });
});

test("counters give each number once", async () => {
  const store = await create();
  const made = await Promise.all(
    Array.from({ length: 10 }, () => store.write((change) => change.next("messages", "x"))),
  );
  expect(made.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(await store.write((change) => change.next("messages", "y"))).toBe(1);
  const together = await store.write((change) =>
    Promise.all([1, 2, 3].map(() => change.next("messages", "x"))),
  );
  expect(together).toEqual([11, 12, 13]);
});

test("a change that throws leaves nothing, and the next has its turn", async () => {
  const store = await create();
  const failing = store.write(async (change) => {
    change.put(notes, "a", { text: "never" });
    throw new Error("in the middle");
  });
  await expect(failing).rejects.toThrow("in the middle");
  await store.write((change) => change.put(notes, "b", { text: "after" }));
  expect(await store.all(notes)).toEqual([{ text: "after" }]);
});

test("rows of guarded tables are written and deleted as others are", async () => {
  const store = await create();
  await store.write((change) => {
    for (let i = 0; i < 3; i++) change.put(ratchets, `g${i}`, { n: i });
  });
  await store.write((change) => {
    change.put(ratchets, "g1", { n: 10 });
    change.delete(ratchets, "g0");
  });
  store.close();
  const again = await reopen();
  expect(await again.get(ratchets, "g0")).toBeUndefined();
  expect(await again.get(ratchets, "g1")).toEqual({ n: 10 });
  expect((await again.all(ratchets)).map((row) => row.n).sort()).toEqual([10, 2]);
});
