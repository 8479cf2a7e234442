/** A relay that keeps a mailbox shut is found out; a quiet day is not an alarm. */

import "fake-indexeddb/auto";
import { beforeEach, expect, it } from "vitest";
import { Core } from "../../src/client/core";
import { ANSWER_SECONDS, Echo, QUIET_SECONDS, WAITING_SECONDS } from "../../src/client/echo";
import type { Groups } from "../../src/client/groups";
import { newLine } from "../../src/client/identity";
import { Alarms } from "../../src/client/logAlarms";
import { peek } from "../../src/mls";
import { Store } from "../../src/vault/store";
import { type Bytes, equal } from "../../src/wire/bytes";
import type { Sealed } from "../../src/wire/delivery";
import { error } from "../../src/wire/errors";

const GROUP = new Uint8Array(16).fill(9);
const TOKEN = new Uint8Array(32).fill(4);

let now: number;
let core: Core;
let alarms: Alarms;
let echo: Echo;
let sent: Sealed[];
let offline: boolean;

beforeEach(async () => {
  await Store.destroy();
  now = 1_800_000_000;
  const store = await Store.create(new Uint8Array(32).fill(7));
  const place = { host: "relay.example", port: 443, pin: null };
  const me = newLine("ada@relay.example", place, new Uint8Array(), 1);
  core = await Core.open(me, store, () => now * 1000);
  alarms = new Alarms(core);
  sent = [];
  offline = false;
  echo = await begun();
});

async function begun(): Promise<Echo> {
  const group = { id: GROUP, epoch: 3, transcriptHash: () => new Uint8Array(64) };
  const groups = { active: () => ["chat"], group: async () => group } as unknown as Groups;
  const deliver = async (messages: Sealed[]) => {
    if (offline) throw error("network.unreachable");
    sent.push(...messages);
    return messages.map(({ id }) => ({ t: "accepted" as const, id, expires: 0 }));
  };
  const made = new Echo(core, groups, { own: TOKEN }, { deliver }, alarms);
  await made.load();
  return made;
}

async function later(seconds: number): Promise<void> {
  now += seconds;
  await echo.pump();
}

const comes = (one: Sealed | undefined): Promise<boolean> =>
  core.change((tx) => echo.took(tx, one?.id as Bytes));

const told = (): string[] =>
  alarms
    .all()
    .filter((one) => !one.settled)
    .map((one) => one.code);

it("asks after a quiet hour, by its own token, with what opens nowhere", async () => {
  await later(QUIET_SECONDS - 1);
  expect(sent).toEqual([]);
  await later(1);
  expect(sent).toHaveLength(1);
  const { to, payload } = sent[0] as Sealed;
  expect(to).toEqual([[core.me.certificate.deviceId, TOKEN]]);
  const seen = peek(payload);
  expect(seen).toMatchObject({ kind: "private", epoch: 3, content: "application" });
  expect(seen.kind === "private" && equal(seen.group, GROUP)).toBe(true);
  expect(await comes(sent[0])).toBe(true);
  await later(QUIET_SECONDS - 1);
  expect([sent.length, told()]).toEqual([1, []]);
});

it("says so when two were taken and none came, until one does", async () => {
  await later(QUIET_SECONDS);
  await later(ANSWER_SECONDS);
  expect([sent.length, told()]).toEqual([2, []]);
  await later(ANSWER_SECONDS);
  expect(told()).toEqual(["relay.silent"]);
  await comes(sent[0]);
  expect(told()).toEqual([]);
  // The next time is another time.
  await later(QUIET_SECONDS);
  await later(ANSWER_SECONDS);
  await later(ANSWER_SECONDS);
  expect(told()).toEqual(["relay.silent"]);
});

it("is not fooled by one that comes again, and knows its own after a start", async () => {
  await later(QUIET_SECONDS);
  await comes(sent[0]);
  await later(QUIET_SECONDS);
  expect(await comes(sent[0])).toBe(true);
  await later(ANSWER_SECONDS);
  await later(ANSWER_SECONDS);
  expect(told()).toEqual(["relay.silent"]);
  echo = await begun();
  expect(await comes(sent[0])).toBe(true);
  expect(await comes({ ...(sent[0] as Sealed), id: new Uint8Array(16) })).toBe(false);
});

it("asks sooner where somebody waits for an answer, and says nothing while it is offline", async () => {
  echo.said();
  offline = true;
  now += WAITING_SECONDS;
  await expect(echo.pump()).rejects.toThrow();
  offline = false;
  await later(WAITING_SECONDS);
  expect([sent.length, told()]).toEqual([1, []]);
  await core.change((tx) => echo.heard(tx));
  await later(WAITING_SECONDS);
  expect(sent).toHaveLength(1);
});

it("waits anew where the clock was put back", async () => {
  now -= 10 * QUIET_SECONDS;
  await echo.pump();
  await later(QUIET_SECONDS - 1);
  expect(sent).toEqual([]);
});
