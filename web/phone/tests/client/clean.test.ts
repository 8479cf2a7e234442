/** What people see of names and texts that hostile peers chose. */
import { describe, expect, test } from "vitest";
import { cleanName, cleanText } from "../../src/client/clean";
import type { Core } from "../../src/client/core";
import type { Groups } from "../../src/client/groups";
import type { MessageRow } from "../../src/client/rows";
import { Shown } from "../../src/client/shown";
import { pieces } from "../../src/ui/chat/prose.ts";

describe("text", () => {
  test("keeps its lines and every script, and turns no direction", () => {
    expect(cleanText("a\r\nb\tc 👩‍👩‍👧 مرحبا نامه‌ای")).toBe("a\nb\tc 👩‍👩‍👧 مرحبا نامه‌ای");
    expect(cleanText("pay \u202e001\u202c\u2066x\u2069\u200f\x00\x1b[2J")).toBe("pay 001x[2J");
  });

  test("holds no link that turns", () => {
    for (const mark of ["\u202e", "\u2066", "\u200f", "\u061c"])
      expect(pieces(`https://a.example/${mark}gnp.x`).some((one) => one.link)).toBe(false);
  });
});

describe("a name", () => {
  test("is one line", () => {
    expect(cleanName("Board\n\u202egnp\u2028 meeting")).toBe("Boardgnp meeting");
  });

  test("is never nothing at all", () => {
    for (const name of ["", " ", "\u200b\u2060", "\u3164", "\u00ad", "\u202e"])
      expect(cleanName(name)).toBe("?");
  });
});

test("everything that others chose goes through it", async () => {
  const evil = "a\u202eb\x07";
  const row = {
    ...{ id: "01", conversation: "c", seq: 1, address: "b@a.example", mine: false, at: 1 },
    ...{ kind: "file", text: evil, edited: false, replyTo: null, state: "received", failure: "" },
    ...{ expiresAt: null, meta: null, receipts: {} },
    reactions: [{ id: "02", address: "b@a.example", emoji: evil }],
    file: { name: evil, contentType: "text/plain", size: 1 },
    notice: { what: "renamed", who: [], value: evil },
  } as unknown as MessageRow;
  const group = { id: "c", kind: "group", name: evil, peer: null, active: 1, at: 1 };
  const groups = {
    has: () => true,
    shownAs: () => "c",
    twins: () => [group],
    row: () => group,
    addresses: () => [],
  } as unknown as Groups;
  const core = {
    me: { address: "x@a.example" },
    store: { range: async () => [{ value: row }] },
  } as unknown as Core;
  const found = await new Shown(core, groups).conversation("c");
  expect(JSON.stringify(found)).not.toMatch(/\u202e|\\u0007/);
  expect(found.name).toBe("ab");
  expect(found.last?.reactions[0]?.emoji).toBe("ab");
});
