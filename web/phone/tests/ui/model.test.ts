/** What pages work out by themselves: links in text, marks, blocks of messages, codes, safety numbers. */
import { describe, expect, test, vi } from "vitest";
import { pieces } from "../../src/ui/chat/prose.ts";
import { looksLikeCode, nameFits, relayOf } from "../../src/ui/first/code.ts";
import { parts } from "../../src/ui/list/marks.ts";
import { inert } from "../../src/ui/media/files.svelte.ts";
import { fitted, photoName } from "../../src/ui/media/photo.ts";
import { peaks } from "../../src/ui/media/voice.ts";
import * as format from "../../src/ui/model/format.ts";
import { duration, size } from "../../src/ui/model/format.ts";
import { lines, steady } from "../../src/ui/model/thread.svelte.ts";
import { complete } from "../../src/ui/people/address.ts";
import { safetyText, sameSafety } from "../../src/ui/trust/safety.ts";
import { message } from "./data.ts";

describe("links in what people write", () => {
  const link = (text: string) =>
    pieces(text)
      .filter((piece) => piece.link)
      .map((piece) => piece.link);

  test("are found, without what closes the sentence", () => {
    expect(link("See https://a.example/b?c=d, and http://e.example.")).toEqual([
      "https://a.example/b?c=d",
      "http://e.example",
    ]);
    expect(link("(https://a.example)")).toEqual(["https://a.example"]);
    expect(pieces("no link")).toEqual([{ text: "no link", link: "" }]);
    expect(
      pieces("a https://b.example c")
        .map((piece) => piece.text)
        .join(""),
    ).toBe("a https://b.example c");
  });

  test("are nothing else", () => {
    for (const text of [
      "javascript:alert(1)",
      "data:text/html,x",
      "file:///etc/passwd",
      "https://bank.example@evil.example/",
      "https://",
      "xhttps:/a",
    ])
      expect(link(text), text).toEqual([]);
  });
});

test("searched words are marked, and nothing is a pattern", () => {
  expect(parts("Hello Ben", "ben")).toEqual([
    { text: "Hello ", marked: false },
    { text: "Ben", marked: true },
  ]);
  expect(
    parts("a.c abc", "a.c")
      .filter((part) => part.marked)
      .map((part) => part.text),
  ).toEqual(["a.c"]);
  expect(parts("x", "(((")).toEqual([{ text: "x", marked: false }]);
  const long = parts(`${"word ".repeat(40)}needle`, "needle");
  expect(long[0]?.text.startsWith("…")).toBe(true);
  expect(long.at(-1)).toEqual({ text: "needle", marked: true });
});

test("only the lines that say something else are other lines", () => {
  const at = new Date(2026, 10, 14, 9).getTime() / 1000;
  const [one, two, three] = ["1", "2", "3"].map((id) => message("c", "a@x", at, { id }));
  if (!one || !two || !three) throw new Error("three messages");
  const before = lines([one, two], "");
  const same = steady(before, lines([one, two], ""));
  expect(same.every((line, i) => line === before[i])).toBe(true);
  const after = steady(before, lines([one, two, three], ""));
  expect(after.map((line, i) => line === before[i])).toEqual([true, false, false]);
  expect(after.map((line) => line.last)).toEqual([false, false, true]);
  const edited = steady(before, lines([{ ...one, text: "anew" }, two], ""));
  expect(edited.map((line, i) => line === before[i])).toEqual([false, true]);
});

test("messages of one person close together are one block", () => {
  const at = new Date(2026, 10, 14, 9).getTime() / 1000;
  const found = lines(
    [
      message("c", "a@x", at, { id: "1" }),
      message("c", "a@x", at + 60, { id: "2" }),
      message("c", "b@x", at + 70, { id: "3" }),
      message("c", "b@x", at + 7000, { id: "4" }),
      message("c", "b@x", at + 86_400 * 2, { id: "5" }),
    ],
    "4",
  );
  expect(found.map((line) => [line.first, line.last])).toEqual([
    [true, false],
    [false, true],
    [true, true],
    [true, true],
    [true, true],
  ]);
  expect(found.map((line) => line.day)).toEqual([true, false, false, false, true]);
  expect(found.map((line) => line.unread)).toEqual([false, false, false, true, false]);
});

test("codes and names as the engine takes them", () => {
  for (const good of [
    "96ZE-DNKZ-96ZE-DNKZ",
    " 96zednkz96zednkz ",
    "chappe://relay.example/a/96ZE-DNKZ-96ZE-DNKZ",
    `chappe://[::1]:8440/a/96ZE#${"A".repeat(43)}`,
    `chappe://relay.example/a/96ZE-DNKZ-96ZE-DNKZ/${"A".repeat(43)}`,
    `chappe://relay.example/a/96ZE-DNKZ-96ZE-DNKZ/${"A".repeat(43)}#${"A".repeat(43)}`,
  ])
    expect(looksLikeCode(good), good).toBe(true);
  for (const bad of [
    "",
    "hello",
    "https://relay.example/a/x",
    "chappe://relay.example/l/x/y",
    "chappe://relay.example/a/96ZE-DNKZ-96ZE-DNKZ/short",
    "96ZE-DNKZ-96ZE-DNK",
  ])
    expect(looksLikeCode(bad), bad).toBe(false);
  expect(relayOf("chappe://relay.example:8440/a/X", "here")).toBe("relay.example");
  expect(relayOf("96ZE-DNKZ-96ZE-DNKZ", "here")).toBe("here");
  expect(["ada", "a.b_c-d", "0"].every(nameFits)).toBe(true);
  expect(["", "Ada", "-a", "a b", "é", "a".repeat(33)].some(nameFits)).toBe(false);
  expect(complete(" Ben ", "ada@relay.example")).toBe("ben@relay.example");
  expect(complete("ben@other.example", "ada@relay.example")).toBe("ben@other.example");
});

test("a safety number matches itself and nothing else", () => {
  const number = "12345 ".repeat(12).trim();
  expect(sameSafety(safetyText(number), number)).toBe(true);
  expect(sameSafety(safetyText(number.replace("1", "2")), number)).toBe(false);
  for (const text of [
    "",
    number,
    "chappe-safety:",
    `chappe-safety:${"1".repeat(59)}`,
    "chappe://x/a/y",
  ])
    expect(sameSafety(text, number), text).toBeNull();
});

test("what could run as a page is never shown as one", async () => {
  for (const type of [
    "text/html",
    "image/svg+xml",
    "application/xhtml+xml",
    "text/javascript",
    "application/pdf",
    "",
  ])
    expect(inert(new Blob(["x"], { type })).type, type).toBe("application/octet-stream");
  expect(inert(new Blob(["x"], { type: "image/jpeg" })).type).toBe("image/jpeg");
  expect(inert(new Blob(["x"], { type: "audio/webm;codecs=opus" })).type).toBe(
    "audio/webm;codecs=opus",
  );
});

test("photos keep their shape, and say nothing by their name", () => {
  expect(fitted(4000, 3000, 2048)).toEqual({ width: 2048, height: 1536 });
  expect(fitted(100, 50, 2048)).toEqual({ width: 100, height: 50 });
  expect(fitted(9000, 1, 28)).toEqual({ width: 28, height: 1 });
  expect(photoName(new Date("2026-11-24T23:00:00Z"))).toBe("photo-2026-11-24.jpg");
});

test("a waveform is the loudest of each part", () => {
  expect(peaks(new Float32Array([0, 0.5, 0, -1, 0.25, 0]), 3)).toEqual([128, 255, 64]);
  expect(peaks(new Float32Array(), 3)).toEqual([]);
  expect(peaks(new Float32Array(100), 4)).toEqual([0, 0, 0, 0]);
});

test("times and sizes", () => {
  expect([0, 7.4, 75, 3600].map(duration)).toEqual(["0:00", "0:07", "1:15", "60:00"]);
  expect([0, 999, 1000, 1_540_000, 100_000_000].map((bytes) => size(bytes))).toEqual([
    "0 B",
    "999 B",
    "1 kB",
    "1.5 MB",
    "100 MB",
  ]);
});

test("a time that no calendar has is shown, not thrown", () => {
  vi.stubGlobal("navigator", { languages: ["en-GB"] });
  const { clock, dateTime, dateOnly, short, dayName, from, machineTime } = format;
  for (const seconds of [2 ** 53, -(2 ** 53), Number.NaN, Number.POSITIVE_INFINITY])
    for (const show of [clock, dateTime, dateOnly, short, dayName, from, machineTime])
      expect(typeof show(seconds), `${show.name} ${seconds}`).toBe("string");
  expect(machineTime(0)).toBe("1970-01-01T00:00:00.000Z");
});
