/**
 * The phone's vault behind a line protocol, its IndexedDB in memory. Bytes are hex; a problem of the vault
 * keeps its code. `unlock` asks the relay itself, everything else is for whoever drives it to carry.
 */

import "fake-indexeddb/auto";
import { openDB } from "idb";
import { delivered, erase, tombstone } from "../../src/vault/erase";
import { casefold } from "../../src/vault/folding";
import { Keeping, newKey } from "../../src/vault/keeping";
import {
  authOf,
  type Cost,
  kekOf,
  offlineKeyOf,
  stretch,
  unwrap,
  wrap,
} from "../../src/vault/keys";
import { type Service, unlock } from "../../src/vault/locking";
import type { Moment } from "../../src/vault/offline";
import { judge } from "../../src/vault/pins";
import { Store } from "../../src/vault/store";
import { Opening } from "../../src/vault/unlocking";
import { POLICY } from "../../src/vault/vault";
import { fromBase64, toBase64 } from "../../src/wire/api";
import { asChappeError, error, fromPeer } from "../../src/wire/errors";
import { shareCommitment } from "../../src/wire/unlock";
import { hex, type Operation, serve, unhex } from "./lines";

const CHEAP: Cost = { memoryKib: 8, passes: 1, lanes: 1 };
const keeping = await Keeping.open();
const now: Moment = { wall: 0, run: "test", up: 0 };
let opening: Opening | null = null;

const costOf = (args: Record<string, unknown>): Cost | undefined =>
  args.cheap === false ? undefined : CHEAP;

/** The relay by its HTTP API; its certificate is self-made, and this is a test. */
function relay(port: number): Service {
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
  const ask = async (path: string, body: Record<string, string>, field: string) => {
    const answer = await fetch(`https://localhost:${port}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }).catch(() => {
      throw error("network.unreachable");
    });
    const found = (await answer.json()) as Record<string, string>;
    if (!answer.ok) throw fromPeer(found.code ?? "");
    return fromBase64(found[field] ?? "");
  };
  return {
    challenge: (device) => ask("/v1/unlock/challenge", { device: toBase64(device) }, "challenge"),
    guess: (device, sealed) =>
      ask("/v1/unlock", { device: toBase64(device), sealed: toBase64(sealed) }, "sealed"),
  };
}

async function dump(): Promise<string> {
  const parts: string[] = [];
  const walk = (value: unknown): void => {
    if (value instanceof ArrayBuffer) parts.push(hex(new Uint8Array(value)));
    else if (value instanceof Uint8Array) parts.push(hex(value));
    else if (Array.isArray(value)) value.forEach(walk);
    else if (typeof value === "object" && value !== null && !(value instanceof CryptoKey))
      Object.entries(value).forEach(walk);
    else parts.push(hex(new TextEncoder().encode(String(value))));
  };
  for (const { name } of await indexedDB.databases()) {
    const database = await openDB(name ?? "");
    for (const store of database.objectStoreNames) {
      walk(await database.getAllKeys(store));
      walk(await database.getAll(store));
    }
    database.close();
  }
  return parts.join(".");
}

const operations: Record<string, Operation> = {
  judge: ({ pins, own }) =>
    (pins as string[]).map((pin) => judge(pin, own as string[])?.message ?? ""),
  casefold: ({ texts }) => (texts as string[]).map(casefold),
  derive: async ({ pin, r, s, device, ...args }) => {
    const [secret, share] = [unhex(r), unhex(s)];
    const a = await stretch(String(pin), secret, costOf(args));
    return {
      a: hex(a),
      auth: hex(await authOf(a, secret)),
      kek: hex(await kekOf(a, secret, share)),
      offline: hex(await offlineKeyOf(a, secret)),
      commitment: hex(shareCommitment(unhex(device), share)),
    };
  },
  wrap: async ({ kek, key, context }) => hex(await wrap(unhex(kek), unhex(key), unhex(context))),
  unwrap: async ({ kek, wrapped, context }) => {
    const key = await unwrap(unhex(kek), unhex(wrapped), unhex(context));
    return key && hex(key);
  },

  stage: () => keeping.stage(),
  plain: async () => {
    const key = newKey();
    await keeping.keepPlain(key);
    const store = await Store.create(key);
    store.close();
    return hex(key);
  },
  prepare: async ({ pin, key, device, port, service, ...args }) => {
    const place = { host: "localhost", port: Number(port), pin: null };
    const what = { key: unhex(key), device: unhex(device), place, service: unhex(service) };
    const made = await keeping.prepare(String(pin), { ...what, policy: POLICY }, costOf(args));
    return { entry: made.entry, sealed: hex(made.sealed), unlockKey: hex(made.unlockKey) };
  },
  settle: ({ entry }) => keeping.settle(String(entry)),
  unlock: async ({ pin, port, ...args }) => {
    const circumstances = { now: () => now, cost: costOf(args) ?? CHEAP };
    if (args.cheap === false) Reflect.deleteProperty(circumstances, "cost");
    const { key } = await unlock(keeping, String(pin), relay(Number(port)), circumstances);
    const store = await Store.open(key);
    store.close();
    return hex(key);
  },
  /** A guess for whoever drives this to carry to a service of its own. */
  begin: async ({ pin, challenge, ...args }) => {
    const { entry, vault } = await keeping.current();
    opening = await Opening.with(String(pin), entry, vault, costOf(args));
    return hex(await opening.begin(unhex(challenge)));
  },
  take: async ({ answer }) => hex(await (opening as Opening).take(unhex(answer))),
  dump,
  erase: async ({ order, device }) => {
    const { entry } = await keeping.current();
    keeping.close();
    const about = { order: unhex(order), device: unhex(device), at: 1_700_000_000 };
    const stone = await erase(
      { ...about, reason: "lost", host: "localhost", port: 1, pin: null },
      entry,
    );
    return {
      body: hex(stone.receipt?.body ?? unhex("")),
      signature: hex(stone.receipt?.signature ?? unhex("")),
    };
  },
  delivered: async () => {
    await delivered();
    const stone = await tombstone();
    return { delivered: stone?.delivered, signer: stone?.signer };
  },
  databases: async () => (await indexedDB.databases()).map((one) => one.name),
};

await serve(operations, (problem) => asChappeError(problem).code);
