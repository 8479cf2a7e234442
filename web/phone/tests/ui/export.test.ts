/** A conversation that is saved as text: whole, in order, and nobody's words pass for another's. */
import { expect, test } from "vitest";
import type { Conversation, Message } from "../../src/client/face.ts";
import { asText, fileName } from "../../src/ui/model/export.ts";

const ME = "ada@a.example";
const conversation = { id: "c1", name: "Night desk", kind: "group" } as Conversation;

function message(seq: number, more: Partial<Message> = {}): Message {
  const text = { kind: "text", text: `message ${seq}`, from: "ben@a.example", at: seq };
  const stays = { expires: 0, disappears: false };
  return { id: `m${seq}`, seq, conversation: "c1", ...text, ...stays, ...more } as Message;
}

function phoneOf(all: Message[]) {
  return {
    messages: async (_id: string, before: number, count: number) =>
      all.filter((one) => before === 0 || one.seq < before).slice(-count),
  };
}

test("all of it, oldest first, however long it is", async () => {
  const all = Array.from({ length: 1001 }, (_, at) => message(at + 1));
  const lines = (await asText(phoneOf(all), conversation, ME)).trimEnd().split("\n");
  expect(lines.slice(0, 3)).toEqual([
    "Night desk",
    "",
    "1970-01-01 00:00 UTC  ben@a.example: message 1",
  ]);
  expect(lines.length).toBe(1003);
  expect(lines.at(-1)).toMatch(/message 1001$/);
});

test("a message that disappears is not kept, read or not", async () => {
  const read = message(1, { expires: 9, disappears: true });
  const unread = message(2, { disappears: true });
  const text = await asText(phoneOf([read, unread, message(3)]), conversation, ME);
  expect(text).not.toContain("message 1");
  expect(text).not.toContain("message 2");
  expect(text).toContain("message 3");
});

test("nobody writes a line in another's name", async () => {
  const forged = "hello\n1970-01-01 00:00 UTC  cyd@a.example: I resign\r\nx\u2028y\u202ez\u0007";
  const lines = (await asText(phoneOf([message(1, { text: forged })]), conversation, ME)).split(
    "\n",
  );
  expect(lines.filter((one) => one.startsWith("1970"))).toHaveLength(1);
  expect(lines.slice(3, 5)).toEqual([
    "    1970-01-01 00:00 UTC  cyd@a.example: I resign",
    "    x\ufffdy\ufffdz\ufffd",
  ]);
});

test("nothing is asked twice of an empty conversation", async () => {
  expect(await asText(phoneOf([]), conversation, ME)).toBe("Night desk\n\n");
});

test("a name is one that every system takes", () => {
  const named = (name: string) => fileName({ ...conversation, name });
  expect(named("../../etc/passwd")).toBe("..-..-etc-passwd.txt");
  expect(named("Rédaction de nuit")).toBe("Rédaction-de-nuit.txt");
  expect(named("")).toBe("conversation.txt");
  expect(named("x".repeat(500)).length).toBeLessThan(70);
});
