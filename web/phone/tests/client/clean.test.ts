/** What people see of names and texts that hostile peers chose. */
import { describe, expect, test } from "vitest";
import { cleanName, cleanText, isMixed } from "../../src/client/clean";
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

  test("is spelled in one way: what cannot be seen makes no other name", () => {
    for (const twin of [
      "Night\u200b desk",
      "Night\u2060 desk\ufeff",
      "Ni\u00adght desk",
      "Night\u200d desk",
      "Night\u00a0desk",
      " Night \u3000 desk ",
      "Night desk\ufe0f",
      "Night desk\u{e0041}",
      "Night desk\u2800",
    ])
      expect(cleanName(twin), JSON.stringify(twin)).toBe("Night desk");
    expect(cleanName("Re\u0301daction")).toBe("R\u00e9daction");
    // A long name cannot push its end out of sight with nothing.
    expect(cleanName(`invoice.pdf${" ".repeat(200)}.exe`)).toBe("invoice.pdf .exe");
  });

  test("keeps what scripts and emoji need", () => {
    for (const name of [
      "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc",
      "\u{1f469}\u200d\u{1f469}\u200d\u{1f467}",
      "\u2764\ufe0f",
      "\u0915\u094d\u200d\u0937",
      "Nguy\u1ec5n \u4e2d\u6587",
    ])
      expect(cleanName(name)).toBe(name);
  });

  test("holds no flood of marks, and neither does a text", () => {
    const flood = `a${"\u0337\u0321\u0489".repeat(100)}b`;
    expect(cleanName(flood).length).toBeLessThan(8);
    expect(cleanText(flood).length).toBeLessThan(8);
  });

  test("of letters that imitate others is found out", () => {
    for (const name of ["N\u0456ght desk", "B\u0435n", "\u0392en", "desk \u0430dmin"])
      expect(isMixed(name), name).toBe(true);
    for (const name of [
      "Night desk",
      "\u041d\u043e\u0447\u044c desk",
      "R\u00e9daction \u0391\u03b8\u03ae\u03bd\u03b1",
      "\u4e2d\u6587 desk",
      "a1",
    ])
      expect(isMixed(name), name).toBe(false);
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
