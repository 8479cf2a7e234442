/** What an organisation rules of messages, on the phone's own store. */
import "fake-indexeddb/auto";
import { beforeEach, expect, test } from "vitest";
import { Contacts } from "../../src/client/contacts";
import { Core } from "../../src/client/core";
import { Groups } from "../../src/client/groups";
import { newLine } from "../../src/client/identity";
import { Messages } from "../../src/client/messages";
import { Obeying } from "../../src/client/obeying";
import { knownOf } from "../../src/client/orders";
import { Rules } from "../../src/client/rules";
import { Shown } from "../../src/client/shown";
import { Store } from "../../src/vault/store";
import { fromHex, randomBytes } from "../../src/wire/bytes";
import * as c from "../../src/wire/content";
import { type FleetPolicy, UNRULED } from "../../src/wire/orders";

const ADA = "ada@relay.example";
const BEN = "ben@relay.example";
const DAY = 86_400;
const NOW = 1_000_000;
const unruled: FleetPolicy = { offline_hours: 0, idle_seconds: 60, ...UNRULED };

let core: Core;
let groups: Groups;
let messages: Messages;
let policy: FleetPolicy | null;
let rules: Rules;
let now: number;

beforeEach(async () => {
  await Store.destroy();
  const store = await Store.create(new Uint8Array(32).fill(7));
  const place = { host: "relay.example", port: 443, pin: null };
  now = NOW;
  core = await Core.open(newLine(ADA, place, new Uint8Array(), 1), store, () => now * 1000);
  policy = null;
  rules = new Rules(() => policy);
  groups = new Groups(core, new Contacts(core));
  messages = new Messages(core, groups, rules);
});

const begun = (kind: "direct" | "group", timer = 0): Promise<string> =>
  core.change((tx) => groups.create(tx, { kind, name: "", timer }, kind === "direct" ? BEN : null));

async function came(
  conversation: string,
  expires: c.Expiry | null,
  from = BEN,
  own = false,
): Promise<string> {
  const salt = randomBytes(c.SALT_BYTES);
  const body = { kind: "text" as const, text: "hello" };
  const none = { replaces: null, inReplyTo: null, topic: new Uint8Array(), log: null };
  const message = c.decode(c.encode({ salt, body, expires, ...none }));
  const id = messages.idOf(conversation, from, c.encode(message));
  const incoming = { conversation, id, address: from, at: now, message, own };
  await core.change((tx) => messages.apply(tx, incoming));
  return id;
}

async function readAt(conversation: string, id: string, when: number): Promise<number | null> {
  now = when;
  await core.change((tx) => messages.setRead(tx, conversation, [id]));
  return (await messages.get(id)).expiresAt;
}

const relative = (seconds: number): c.Expiry => ({ relative: true, seconds });

test("what comes disappears by the maximum at the latest, and sooner where its sender said so", async () => {
  const id = await begun("direct");
  const before = await came(id, null);
  policy = { ...unruled, disappear_max: DAY };
  const cases: [c.Expiry | null, number][] = [
    [null, DAY],
    [relative(7 * DAY), DAY],
    [relative(300), 300],
    [relative(0), 0],
    [{ relative: false, seconds: NOW + 400 * DAY }, DAY],
    [{ relative: false, seconds: NOW + 3600 }, 3600 - 60],
  ];
  for (const [expires, after] of cases) {
    now = NOW;
    const one = await came(id, expires);
    expect(new Shown(core, groups).message(await messages.get(one)).disappears).toBe(true);
    expect(await readAt(id, one, NOW + 60), JSON.stringify(expires)).toBe(NOW + 60 + after);
  }
  // What was here before the policy stays as it was.
  expect(await readAt(id, before, NOW + 60)).toBe(null);
});

test("what leaves carries it, from every device of the line, and another's timer is only obeyed here", async () => {
  const id = await begun("direct", 7 * DAY);
  const off = await begun("group");
  policy = { ...unruled, disappear_max: DAY };
  expect([messages.timerOf(id), messages.timerOf(off)]).toEqual([DAY, DAY]);
  expect([groups.row(id).timer, groups.row(off).timer]).toEqual([7 * DAY, 0]);
  const queued = await came(id, relative(messages.timerOf(id)), ADA, true);
  now = NOW + 5;
  await core.change((tx) => messages.sent(tx, queued));
  expect((await messages.get(queued)).expiresAt).toBe(NOW + 5 + DAY);
  const sibling = await came(off, null, ADA);
  expect((await messages.get(sibling)).expiresAt).toBe(NOW + 5 + DAY);
});

test("nobody sets a timer beyond the maximum, and new conversations begin within it", () => {
  expect(rules.firstTimer).toBe(0);
  expect(() => rules.checkTimer(0)).not.toThrow();
  policy = { ...unruled, disappear_default: 300 };
  expect(rules.firstTimer).toBe(300);
  expect(() => rules.checkTimer(0)).not.toThrow();
  policy = { ...unruled, disappear_max: DAY };
  expect(rules.firstTimer).toBe(DAY);
  for (const seconds of [30, DAY]) expect(() => rules.checkTimer(seconds)).not.toThrow();
  for (const seconds of [0, DAY + 1, -1, 30.5])
    expect(() => rules.checkTimer(seconds)).toThrow(
      expect.objectContaining({ code: "usage.invalid" }),
    );
});

test("receipts: the organisation's word, then the person's; who does not say it does not see it", async () => {
  let wanted = true;
  rules.wantsReceipts = () => wanted;
  const told = () =>
    [true, false].map((choice) => {
      wanted = choice;
      return rules.receipts;
    });
  expect(told()).toEqual([true, false]);
  policy = { ...unruled, receipts: "on" };
  expect(told()).toEqual([true, true]);
  policy = { ...unruled, receipts: "off" };
  expect(told()).toEqual([false, false]);

  const read = async (conversation: string): Promise<string> => {
    const id = await came(conversation, null, ADA);
    const status: [c.Message["salt"], c.Status] = [fromHex(id), c.READ];
    const { data } = messages.make(conversation, { kind: "receipt", statuses: [status] });
    const message = c.decode(data);
    const incoming = { conversation, id: `01${id.slice(2)}`, address: BEN, at: now, message };
    await core.change((tx) => messages.apply(tx, { ...incoming, own: false }));
    return (await messages.get(id)).receipts[BEN] ?? "";
  };
  const [direct, group] = [await begun("direct"), await begun("group")];
  expect([await read(direct), await read(group)]).toEqual(["delivered", ""]);
  policy = { ...unruled, receipts: "on" };
  expect([await read(direct), await read(group)]).toEqual(["read", "read"]);
});

test("bounds that an older program kept rule nothing that it did not know", async () => {
  const { certificate, server } = core.me;
  const kept = { offline_hours: 1, idle_seconds: 60, pin_length: 8 } as FleetPolicy;
  await core.change((tx) =>
    core.setMeta(tx, "known", { ...knownOf(certificate, server), bounds: kept }),
  );
  const { bounds } = (await Obeying.open(core)).known;
  expect(bounds).toEqual({ ...unruled, offline_hours: 1, pin_length: 8 });
});
