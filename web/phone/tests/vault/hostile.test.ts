import "fake-indexeddb/auto";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Store, table } from "../../src/vault/store";
import { randomBytes } from "../../src/wire/bytes";
import { bytesOf, dump, keyOf, type RawRecord, restore, withRaw } from "./raw";

const notes = table<string>("notes");
const ratchets = table<number>("ratchets");
const GUARDED = { guarded: ["ratchets"] };
const key = randomBytes(32);
let name = "";
let count = 0;
let store: Store;

beforeEach(async () => {
  name = `hostile ${++count}`;
  store = await Store.create(key, { name, ...GUARDED });
});
afterEach(() => {
  vi.restoreAllMocks();
  store.close();
});

const damaged = { code: "storage.failed" };

/** What a change adds, changes and takes away in the database. */
async function traces(
  work: () => Promise<unknown>,
): Promise<{ before: RawRecord[]; after: RawRecord[]; fresh: RawRecord[] }> {
  const before = await dump(name);
  await work();
  const after = await dump(name);
  const known = new Set(before.map(keyOf));
  return { before, after, fresh: after.filter((one) => !known.has(keyOf(one))) };
}

async function only(work: () => Promise<unknown>): Promise<RawRecord> {
  const { fresh } = await traces(work);
  expect(fresh).toHaveLength(1);
  return fresh[0] as RawRecord;
}

const put = (record: RawRecord) =>
  withRaw(name, (database) => database.put(record.store, record.value, record.key));

describe("records", () => {
  test("that are exchanged do not open", async () => {
    const one = await only(() => store.write((change) => change.put(notes, "one", "1")));
    const two = await only(() => store.write((change) => change.put(notes, "two", "2")));
    await put({ ...one, value: two.value });
    await expect(store.get(notes, "one")).rejects.toMatchObject(damaged);
    expect(await store.get(notes, "two")).toBe("2");
    await expect(store.all(notes)).rejects.toMatchObject(damaged);
  });

  test("that are moved to another number do not open", async () => {
    await store.write((change) => change.put(notes, "row", "1", 1));
    const second = await only(() => store.write((change) => change.put(notes, "row", "2", 2)));
    const moved = new Uint8Array((second.key as ArrayBuffer).slice(0));
    moved[31] = 3;
    await put({ ...second, key: moved.buffer });
    await expect(store.range(notes, "row")).rejects.toMatchObject(damaged);
    expect(await store.range(notes, "row", { to: 2 })).toHaveLength(2);
  });

  test("that are cut, changed or something else do not open", async () => {
    const one = await only(() => store.write((change) => change.put(notes, "one", "1")));
    const bytes = one.value as Uint8Array;
    const flipped = Uint8Array.from(bytes, (byte, i) => (i === 20 ? byte ^ 1 : byte));
    const wrong = [
      bytes.slice(0, -1),
      bytes.slice(0, 5),
      new Uint8Array(0),
      flipped,
      "text",
      null,
      { a: 1 },
    ];
    for (const value of wrong) {
      await put({ ...one, value });
      await expect(store.get(notes, "one")).rejects.toMatchObject(damaged);
    }
  });
});

describe("guarded tables", () => {
  const write = (value: number) => store.write((change) => change.put(ratchets, "group", value));
  const refused = async () => {
    await expect(store.get(ratchets, "group")).rejects.toMatchObject(damaged);
    await expect(store.all(ratchets)).rejects.toMatchObject(damaged);
    await expect(store.range(ratchets, "group", { newest: true, limit: 1 })).rejects.toMatchObject(
      damaged,
    );
  };

  test("an older record is refused, and not in the others", async () => {
    const old = await only(() => write(1));
    const note = await only(() => store.write((change) => change.put(notes, "n", "old")));
    await write(2);
    await store.write((change) => change.put(notes, "n", "new"));
    await put(note);
    expect(await store.get(notes, "n")).toBe("old");
    await put(old);
    await refused();
  });

  test("a record that was taken away is missed, one that was deleted does not come back", async () => {
    const there = await only(() => write(1));
    await withRaw(name, (database) => database.delete(there.store, there.key as ArrayBuffer));
    await refused();
    await put(there);
    await store.write((change) => change.delete(ratchets, "group"));
    expect(await store.get(ratchets, "group")).toBeUndefined();
    await put(there);
    await refused();
  });

  test("with the list and the record put back, but not the head", async () => {
    await write(1);
    const old = await dump(name);
    await write(2);
    store.close();
    const now = await dump(name);
    const changed = now.filter((one) => {
      const was = old.find((other) => keyOf(other) === keyOf(one));
      return was && !bytesOf(was.value).equals(bytesOf(one.value));
    });
    expect(changed).toHaveLength(3);
    let refusals = 0;
    for (const spared of changed) {
      const back = now.map((one) => {
        const was = old.find((other) => keyOf(other) === keyOf(one)) as RawRecord;
        return changed.includes(one) && one !== spared ? was : one;
      });
      await restore(name, back);
      const found = await Store.open(key, { name, ...GUARDED })
        .then(async (opened) => {
          try {
            return await opened.get(ratchets, "group");
          } finally {
            opened.close();
          }
        })
        .catch((problem) => problem.code);
      expect(found).toBe("storage.failed");
      refusals++;
    }
    expect(refusals).toBe(3);
  });
});

describe("opening", () => {
  test("another key, nothing there, something there already", async () => {
    store.close();
    await expect(Store.open(randomBytes(32), { name })).rejects.toMatchObject({
      code: "storage.wrong_key",
    });
    await expect(Store.open(key, { name: `${name} none` })).rejects.toMatchObject({
      code: "storage.missing",
    });
    await expect(Store.create(key, { name })).rejects.toMatchObject({ code: "storage.exists" });
    expect(await Store.exists(name)).toBe(true);
    await Store.destroy(name);
    expect(await Store.exists(name)).toBe(false);
  });
});

describe("the browser", () => {
  test("another tab has written: nothing is, here", async () => {
    const other = await Store.open(key, { name, ...GUARDED });
    await other.write((change) => change.put(notes, "a", "theirs"));
    await expect(store.write((change) => change.put(notes, "a", "mine"))).rejects.toMatchObject({
      code: "storage.locked",
    });
    expect(await store.get(notes, "a")).toBe("theirs");
    other.close();
  });

  test.each([
    ["QuotaExceededError", "storage.full"],
    ["UnknownError", "storage.failed"],
  ])("%s in the middle of a change leaves nothing of it", async (problem, code) => {
    await store.write((change) => change.put(notes, "a", "before"));
    const before = bytesOf(await dump(name));
    const real = IDBObjectStore.prototype.put;
    let calls = 0;
    vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(function (
      this: IDBObjectStore,
      ...args: Parameters<typeof real>
    ) {
      if (++calls === 3) throw new DOMException("canary", problem);
      return real.apply(this, args);
    });
    const failing = store.write((change) => {
      change.put(notes, "a", "after");
      for (let i = 0; i < 5; i++) change.put(notes, `b${i}`, "after");
    });
    const found = await failing.catch((refusal) => refusal);
    expect(found).toMatchObject({ code });
    expect(found.message).not.toContain("canary");
    vi.restoreAllMocks();
    expect(bytesOf(await dump(name)).equals(before)).toBe(true);
    await store.write((change) => change.put(notes, "a", "again"));
    expect(await store.get(notes, "a")).toBe("again");
  });

  test("a database that is deleted under the store is told", async () => {
    const lost = new Promise<void>((told) => {
      store.onLost = told;
    });
    await Store.destroy(name);
    await lost;
    await expect(store.get(notes, "a")).rejects.toMatchObject({ code: "vault.locked" });
  });
});

test("what lies in the database says nothing of what is in it", async () => {
  const canary = "CANARY-4711";
  const other = table<{ text: string }>(`table ${canary}`);
  await store.write(async (change) => {
    change.put(other, `row ${canary}`, { text: canary }, 7);
    await change.next(`counter ${canary}`);
  });
  const all = bytesOf(await dump(name));
  expect(all.length).toBeGreaterThan(300);
  for (const secret of [Buffer.from(canary), Buffer.from(key)])
    expect(all.includes(secret)).toBe(false);
});

test("the same value twice does not look the same, and lengths are in steps", async () => {
  const values: Uint8Array[] = [];
  for (let i = 0; i < 40; i++) {
    const one = await only(() =>
      store.write((change) => change.put(notes, `n${i}`, "x".repeat(i))),
    );
    values.push(one.value as Uint8Array);
  }
  expect(new Set(values.map((value) => bytesOf(value.subarray(0, 12)).toString("hex"))).size).toBe(
    40,
  );
  expect(new Set(values.map((value) => value.length))).toEqual(new Set([92]));
});
