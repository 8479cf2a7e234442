import "fake-indexeddb/auto";
import { beforeEach, describe, expect, it } from "vitest";
import { Core, type Done } from "../../src/client/core";
import { newLine } from "../../src/client/identity";
import type { ContactRow } from "../../src/client/rows";
import { Store } from "../../src/vault/store";

const contact = (address: string): ContactRow => ({
  address,
  line: "00",
  identityKey: new Uint8Array(32),
  verified: false,
  changed: null,
  unconfirmed: false,
});

let core: Core;
let done: Done[];

beforeEach(async () => {
  await Store.destroy();
  const store = await Store.create(new Uint8Array(32).fill(7));
  const place = { host: "relay.example", port: 443, pin: null };
  const me = newLine("ada@relay.example", place, new Uint8Array(), 1);
  core = await Core.open(me, store);
  done = [];
  core.onDone = (one) => done.push(one);
});

describe("a change", () => {
  it("is durable, then told", async () => {
    await core.change((tx) => {
      core.book.contacts.put(tx.change, contact("ben@relay.example"));
      tx.contacts.add("ben@relay.example");
      expect(done).toEqual([]);
    });
    expect([...(done[0]?.contacts ?? [])]).toEqual(["ben@relay.example"]);
    await core.book.load(core.store);
    expect(core.book.contacts.has("ben@relay.example")).toBe(true);
  });

  it("that fails leaves neither the store nor the memory changed, and tells nothing", async () => {
    let forgotten = 0;
    let after = 0;
    core.undone.push(() => forgotten++);
    const failing = core.change((tx) => {
      core.book.contacts.put(tx.change, contact("ben@relay.example"));
      tx.after(() => after++);
      throw new Error("half way");
    });
    await expect(failing).rejects.toThrow("half way");
    expect(core.book.contacts.all()).toEqual([]);
    expect([forgotten, after, done]).toEqual([1, 0, []]);
  });

  it("waits for the one before it, also where that fails", async () => {
    const order: string[] = [];
    const first = core.change(async () => {
      order.push("first begins");
      await new Promise((go) => setTimeout(go, 20));
      order.push("first ends");
      throw new Error("no");
    });
    const second = core.change(() => order.push("second"));
    await expect(first).rejects.toThrow();
    await second;
    expect(order).toEqual(["first begins", "first ends", "second"]);
  });

  it("numbers without gaps or repeats, and forgets a number that was not used", async () => {
    const take = () => core.change((tx) => tx.change.next("outbox"));
    expect(await take()).toBe(1);
    const lost = core.change(async (tx) => {
      await tx.change.next("outbox");
      throw new Error("no");
    });
    await expect(lost).rejects.toThrow();
    expect(await take()).toBe(2);
  });
});
