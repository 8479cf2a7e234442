/** What notices of the system show, when they come and when they go. */
import { beforeEach, expect, test } from "vitest";
import type { Conversation, NoticeContent } from "../../src/client/face.ts";
import { GENERAL } from "../../src/sw/push.ts";
import { words } from "../../src/ui/i18n/index.svelte.ts";
import { Notices } from "../../src/ui/model/notices.ts";
import { Board } from "./board.ts";
import * as data from "./data.ts";

let board: Board;
let notices: Notices;

beforeEach(() => {
  words.language = "en";
  board = new Board();
  notices = new Notices(async () => board);
});

const text = (given: object = {}) =>
  data.message("c1", "ben@relay.example", 1, { text: "The list is ready", ...given });

function direct(unread: number, given: Partial<Conversation> = {}): Conversation {
  const name = "ben@relay.example";
  return data.conversation("c1", {
    name,
    members: [data.ME, name],
    unread,
    last: text(),
    ...given,
  });
}

async function take(
  now: Conversation,
  before: number,
  content: NoticeContent = "name",
  seen = false,
): Promise<string[]> {
  notices.take(now, before, data.ME, content, seen);
  await notices.settled();
  return board.lines;
}

test("each setting shows what it says, and no more", async () => {
  expect(await take(direct(1), 0, "text")).toEqual(["ben: The list is ready"]);
  expect(await take(direct(2), 1, "name")).toEqual(["ben: 2 new messages"]);
  notices.clear(true);
  expect(await take(direct(3), 2, "nothing")).toEqual(["Chappe: New message"]);
  const group = data.conversation("c2", { kind: "group", name: "Desk", unread: 1, last: text() });
  expect(await take(group, 0, "nothing")).toEqual(["Chappe: New message"]);
  notices.clear(true);
  expect(await take(group, 0, "name")).toEqual(["Desk: New message"]);
  expect(await take({ ...group, unread: 2 }, 1, "text")).toEqual(["Desk: ben: The list is ready"]);
});

test("a file, a photo, a note of the conversation and a long text are told in a line", async () => {
  const long = await take(direct(1, { last: text({ text: "x".repeat(9000) }) }), 0, "text");
  expect(long[0]).toHaveLength("ben: ".length + 241);
  const photo = text({ kind: "photo", text: "" });
  expect(await take(direct(2, { last: photo }), 1, "text")).toEqual(["ben: Photo"]);
  const note = text({ kind: "notice", text: "", notice: { what: "joined", who: [], value: "" } });
  expect(await take(direct(3, { last: note }), 2, "text")).toEqual(["ben: 3 new messages"]);
});

test("nothing for who looks, for what is muted, and for what was there before", async () => {
  expect(await take(direct(1), 0, "name", true)).toEqual([]);
  expect(await take(direct(1, { muted: true }), 0)).toEqual([]);
  expect(await take(direct(1), 1)).toEqual([]);
  expect(notices.raised).toBe(0);
  expect(board.sounds).toBe(0);
});

test("it sounds once for each that comes, and not for what changes", async () => {
  await take(direct(1), 0, "text");
  await take(direct(2), 1, "text");
  expect(board.sounds).toBe(2);
  const edited = text({ text: "The list is late" });
  expect(await take(direct(2, { last: edited }), 2, "text")).toEqual(["ben: The list is late"]);
  const deleted = text({ kind: "deleted", text: "" });
  expect(await take(direct(2, { last: deleted }), 2, "text")).toEqual([
    "ben: This message was deleted",
  ]);
  expect(board.sounds).toBe(2);
  for (const shown of await board.getNotifications()) shown.close();
  expect(await take(direct(2, { last: text() }), 2, "text")).toEqual([]);
});

test("it goes when the conversation is read, muted or gone, and with the lock", async () => {
  const other = { ...direct(1), id: "c2", name: "clara@relay.example" };
  await take(direct(1), 0);
  expect(await take(other, 0)).toHaveLength(2);
  expect(await take(direct(0), 1)).toEqual(["clara: New message"]);
  expect(await take({ ...other, muted: true }, 1)).toEqual([]);
  await take(direct(1), 0);
  notices.close("c1");
  await notices.settled();
  expect(board.lines).toEqual([]);
  await take(direct(1), 0);
  const tag = board.shown[0]?.tag ?? "";
  expect(notices.conversationOf(tag)).toBe("c1");
  notices.clear(false);
  await notices.settled();
  expect(board.lines).toEqual([]);
  expect(notices.conversationOf(tag)).toBeUndefined();
});

test("where all say the same, it goes with the last that is read; without content, it outlives the lock", async () => {
  const other = { ...direct(1), id: "c2" };
  await take(direct(1), 0, "nothing");
  expect(await take(other, 0, "nothing")).toEqual(["Chappe: New message"]);
  expect(await take(direct(0), 1, "nothing")).toEqual(["Chappe: New message"]);
  expect(await take({ ...other, unread: 0 }, 1, "nothing")).toEqual([]);
  await take(direct(1), 0, "nothing");
  notices.clear(false);
  await notices.settled();
  expect(board.lines).toEqual(["Chappe: New message"]);
  notices.clear(true);
  await notices.settled();
  expect(board.lines).toEqual([]);
});

test("the one without content goes when the page can tell more, or somebody looks at it", async () => {
  const general = () => board.showNotification("Chappe", { tag: GENERAL, body: "New message" });
  await general();
  notices.late = true;
  expect(await take(direct(1), 0)).toEqual(["ben: New message"]);
  await general();
  expect(await take(direct(2), 1)).toHaveLength(2);
  notices.looked();
  await notices.settled();
  expect(board.lines).toEqual(["ben: 2 new messages"]);
});

test("nothing in a notice names a conversation to the system", async () => {
  await take(direct(1), 0, "text");
  expect(JSON.stringify(board.shown)).not.toMatch(/\bc1\b|relay\.example/);
});

test("a browser that refuses stops nothing that comes after", async () => {
  board.refuses = true;
  expect(await take(direct(1), 0)).toEqual([]);
  expect([notices.raised, notices.refused]).toEqual([0, 1]);
  board.refuses = false;
  expect(await take(direct(2), 1)).toEqual(["ben: 2 new messages"]);
  expect([notices.raised, notices.refused]).toEqual([1, 1]);
  const none = new Notices(async () => undefined);
  none.take(direct(1), 0, data.ME, "name", false);
  await none.settled();
});
