/// <reference types="node" />

import "fake-indexeddb/auto";
import { decode } from "@msgpack/msgpack";
import { ed25519 } from "@noble/curves/ed25519.js";
import { openDB } from "idb";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DatabaseCabinet } from "../../src/vault/cabinet";
import { delivered, erase, forget, type Premises, resume, tombstone } from "../../src/vault/erase";
import { Keeping } from "../../src/vault/keeping";
import { setPin } from "../../src/vault/locking";
import { Store, table } from "../../src/vault/store";
import { POLICY } from "../../src/vault/vault";
import { type Bytes, concat, randomBytes, utf8 } from "../../src/wire/bytes";
import { bytesOf, dump } from "./raw";
import { CHEAP, DEVICE, TestService } from "./service";

const ORDER = {
  order: randomBytes(16),
  device: DEVICE,
  at: 1_800_000_000,
  reason: "lost on a train",
  host: "relay.example",
  port: 8440,
  pin: null,
};

class TestPremises implements Premises {
  done: string[] = [];
  fails = "";
  async databases() {
    return (await indexedDB.databases()).map(({ name }) => name ?? "");
  }
  folders = () => this.#do("folders");
  caches = () => this.#do("caches");
  workers = () => this.#do("workers");

  async #do(what: string) {
    if (this.fails === what) throw new Error(`killed at ${what}`);
    this.done.push(what);
  }
}

let premises: TestPremises;
let keeping: Keeping;

/** A whole phone: a PIN, a store with something in it, a file, and a database of somebody else's. */
beforeEach(async () => {
  premises = new TestPremises();
  const key = randomBytes(32);
  keeping = await Keeping.open();
  await keeping.keepPlain(key);
  const service = await TestService.make();
  const place = { host: "relay.example", port: 8440, pin: null };
  const what = { key, device: DEVICE, place, service: service.key, policy: POLICY };
  await setPin(keeping, "480297", "", what, service.enroller, { cost: CHEAP });
  const store = await Store.create(key);
  await store.write((change) => change.put(table<string>("notes"), "a", "a secret"));
  store.close();
  const cabinet = await DatabaseCabinet.open();
  await (await cabinet.open("x", 0)).close();
  cabinet.close();
  (await openDB("workbox-expiration", 1)).close();
});

afterEach(async () => {
  keeping.close();
  for (const { name } of await indexedDB.databases()) indexedDB.deleteDatabase(name ?? "");
});

const holds = (receipt: { body: Bytes; signature: Bytes } | null | undefined, key: Bytes) =>
  crypto.subtle
    .digest("SHA-256", receipt?.body as Bytes)
    .then((digest) =>
      ed25519.verify(
        receipt?.signature as Bytes,
        concat(utf8("chappe receipt v1"), new Uint8Array(1), new Uint8Array(digest)),
        key,
      ),
    );

test("all goes; a tombstone with a receipt stays", async () => {
  expect(await tombstone()).toBeNull();
  expect(await resume(premises)).toBeNull();
  const { entry } = await keeping.current();
  keeping.close();
  const stone = await erase(ORDER, entry, premises);
  expect(await premises.databases()).toEqual(["chappe-erased"]);
  expect(premises.done).toEqual(["folders", "caches", "workers"]);
  expect(stone).toMatchObject({ state: "erased", delivered: false, reason: "lost on a train" });
  expect(decode(stone.receipt?.body as Bytes)).toEqual({
    version: 1,
    order: ORDER.order,
    device: DEVICE,
    outcome: "erased",
    at: ORDER.at,
  });
  expect(await holds(stone.receipt, entry.public)).toBe(true);
  expect(await tombstone()).toMatchObject({ state: "erased", host: "relay.example", signer: null });
  await delivered();
  expect(await tombstone()).toMatchObject({ delivered: true, receipt: stone.receipt });
  expect(bytesOf(await dump("chappe-erased")).includes("a secret")).toBe(false);
  await forget();
  expect(await tombstone()).toBeNull();
});

test.each(["folders", "caches"])(
  "a kill at %s is gone on from, with the keys gone before",
  async (at) => {
    const { entry } = await keeping.current();
    keeping.close();
    premises.fails = at;
    await expect(erase(ORDER, entry, premises)).rejects.toThrow("killed");
    expect(await tombstone()).toMatchObject({ state: "begun", receipt: null });
    expect(await premises.databases()).toEqual(["chappe-erased"]);
    const again = new TestPremises();
    const stone = await resume(again);
    expect(again.done).toEqual(["folders", "caches", "workers"]);
    expect(stone?.state).toBe("erased");
    expect(await holds(stone?.receipt, entry.public)).toBe(true);
    // To go on once more changes nothing.
    expect((await resume(again))?.receipt).toEqual(stone?.receipt);
  },
);
