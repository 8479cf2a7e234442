/** Delivery tokens over time: when a phone makes another, whom it tells, and what it forgets. */

import "fake-indexeddb/auto";
import { beforeEach, expect, it } from "vitest";
import { Core } from "../../src/client/core";
import type { Groups } from "../../src/client/groups";
import { newLine } from "../../src/client/identity";
import type { Messages } from "../../src/client/messages";
import { Tokens } from "../../src/client/tokens";
import type { Wire } from "../../src/client/wire";
import { Store } from "../../src/vault/store";
import { type Bytes, equal, fromHex, toHex } from "../../src/wire/bytes";
import { tokenDigest } from "../../src/wire/delivery";
import { error } from "../../src/wire/errors";
import type { Typed } from "../../src/wire/frames";

const DAY = 24 * 3600;
const BEN = "b0".repeat(16);
const CYD = "c0".repeat(16);

/** What was said in which conversation. */
interface Told {
  conversation: string;
  number: number;
  token: Bytes;
}

let now: number;
let core: Core;
let tokens: Tokens;
/** Conversations, and the devices of others in them. */
let present: Record<string, string[]>;
let lines: number;
let left: Typed<"token">[];
let refuses: string;
let told: Told[];

beforeEach(async () => {
  await Store.destroy();
  now = 1_800_000_000;
  const store = await Store.create(new Uint8Array(32).fill(7));
  const place = { host: "relay.example", port: 443, pin: null };
  const me = newLine("ada@relay.example", place, new Uint8Array(), 1);
  core = await Core.open(me, store, () => now * 1000);
  present = { chat: [BEN] };
  lines = 2;
  left = [];
  refuses = "";
  told = [];
  tokens = made();
});

/** As after a start of the page: what is kept is in the store. */
function made(): Tokens {
  const groups = {
    active: () => Object.keys(present),
    addresses: () => Array.from({ length: lines }, (_, at) => `p${at}@relay.example`),
    otherDevices: (id: string) => (present[id] ?? []).map(fromHex),
  };
  const wire = {
    ask: async (make: (ref: number) => Typed<"token">) => {
      if (refuses !== "") throw error(refuses as "limit.rate");
      left.push(make(1));
      return { t: "done", ref: 1 };
    },
  };
  const messages = {
    make: (_: string, said: { number: number; token: Bytes }) => ({ id: "", data: said }),
  };
  return new Tokens(
    core,
    groups as unknown as Groups,
    messages as unknown as Messages,
    wire as unknown as Wire,
  );
}

async function pump(): Promise<void> {
  // The conversations of the book are what a device is found to share.
  await core.change((tx) => {
    for (const id of ["chat", "table"]) core.book.conversations.delete(tx.change, id);
    for (const [id, devices] of Object.entries(present)) {
      const places = devices.map((device, leaf) => ({ leaf, address: "x", device }));
      core.book.conversations.put(tx.change, { id, active: 1, places } as never);
    }
  });
  await tokens.pump(async (_, conversation, content) => {
    told.push({ conversation, ...(content as unknown as { number: number; token: Bytes }) });
  });
}

it("leaves the hash with the relay before it tells anybody, and each once", async () => {
  refuses = "network.unreachable";
  await expect(pump()).rejects.toThrow();
  expect(told).toEqual([]);
  expect(tokens.own).toBeNull();
  refuses = "";
  await pump();
  await pump();
  expect(told.map(({ conversation, number }) => [conversation, number])).toEqual([["chat", 1]]);
  expect(left.map((one) => one.overlap)).toEqual([0]);
  const { token } = told[0] as Told;
  expect(equal(left[0]?.digest as Bytes, tokenDigest(token))).toBe(true);
  expect(tokens.own).toEqual(token);
  expect(tokens.idle).toBe(true);
  present.table = [BEN, CYD];
  await pump();
  expect(told.map((one) => one.conversation)).toEqual(["chat", "table"]);
  expect(told[1]?.token).toEqual(token);
});

it("makes another after thirty days, with the old one for a day beside it", async () => {
  await pump();
  now += 30 * DAY - 1;
  await pump();
  expect(left).toHaveLength(1);
  now += 1;
  await pump();
  expect(left.map((one) => one.overlap)).toEqual([0, DAY]);
  expect(told.map((one) => one.number)).toEqual([1, 2]);
  expect(told[1]?.token).not.toEqual(told[0]?.token);
});

it("makes another when somebody who heard it has gone, and not twice in ten minutes", async () => {
  present.table = [CYD];
  await pump();
  delete present.table;
  now += 599;
  await pump();
  expect(left).toHaveLength(1);
  now += 1;
  await pump();
  expect(left.map((one) => one.overlap)).toEqual([0, 600]);
  expect(told.slice(2).map(({ conversation, number }) => [conversation, number])).toEqual([
    ["chat", 2],
  ]);
  // Who has gone has heard nothing of it: nobody is left to make another for.
  now += 700;
  await pump();
  expect(left).toHaveLength(2);
});

it("makes another where the clock was put back, for its age is not known", async () => {
  await pump();
  now -= 1;
  await pump();
  expect(told.map((one) => one.number)).toEqual([1, 2]);
});

it("goes on with the same one after a start, and leaves it at each connection", async () => {
  await pump();
  tokens = made();
  await pump();
  tokens.reconnected();
  expect(tokens.own).toBeNull();
  await pump();
  expect(left.map((one) => toHex(one.digest))).toEqual(
    Array(3).fill(toHex(left[0]?.digest as Bytes)),
  );
  expect(told).toHaveLength(1);
});

it("tells nobody where the relay takes none, until the next connection", async () => {
  refuses = "usage.invalid";
  await pump();
  expect([told.length, tokens.idle, tokens.own]).toEqual([0, true, null]);
  refuses = "";
  await pump();
  expect(left).toEqual([]);
  tokens.reconnected();
  await pump();
  expect(told).toHaveLength(1);
});

it("is not told in a crowd", async () => {
  lines = 33;
  await pump();
  expect(told).toEqual([]);
  lines = 32;
  await pump();
  expect(told).toHaveLength(1);
});

it("keeps the highest number of each device, and forgets the very one that was refused", async () => {
  const [first, second] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const say = (number: number, token: Bytes): Promise<void> =>
    core.change((tx) => tokens.learn(tx, BEN, { number, token } as never));
  const refuse = (token: Bytes): Promise<void> =>
    core.change((tx) => tokens.refused(tx, fromHex(BEN), token));
  await say(2, second);
  await say(1, first);
  expect(tokens.of([fromHex(BEN)])).toEqual([second]);
  await refuse(first);
  expect(tokens.of([fromHex(BEN)])).toEqual([second]);
  await refuse(second);
  // A message goes signed in then, whole: of one of two it would be in two parts.
  expect(tokens.of([fromHex(BEN)])).toBeNull();
  await say(3, first);
  expect(tokens.of([fromHex(BEN), fromHex(CYD)])).toBeNull();
});
