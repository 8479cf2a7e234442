/** What charts are drawn from. */
import { expect, test } from "vitest";
import type { SoldView } from "../src/api/types.ts";
import { byMonth } from "../src/model/sales.ts";
import { ticks } from "../src/parts/parts.ts";

const sold = (month: string, name: string, net: number): SoldView => ({
  month,
  name,
  reseller: name,
  currency: "EUR",
  net,
  vat: 0,
  codes: 1,
});

test("a month in which nothing was sold has a column, too", () => {
  const columns = byMonth(
    [sold("2025-11", "A", 5), sold("2026-02", "A", 7)],
    (month) => month,
    "rest",
  );
  expect(columns.map((one) => one.label)).toEqual(["2025-11", "2025-12", "2026-01", "2026-02"]);
  expect(columns.map((one) => one.parts[0]?.value)).toEqual([5, 0, 0, 7]);
});

test("the largest resellers stand by name, the others together", () => {
  const many = ["A", "B", "C", "D", "E", "F", "G"].map((name, at) =>
    sold("2026-01", name, 10 - at),
  );
  const [column] = byMonth(many, (month) => month, "rest");
  expect(column?.parts.map((one) => one.label)).toEqual(["A", "B", "C", "D", "E", "rest"]);
  expect(column?.parts.at(-1)?.value).toBe(5 + 4);
  expect(byMonth([], (month) => month, "rest")).toEqual([]);
});

test("marks are round, and reach above the most", () => {
  for (const most of [1, 7, 99, 1234, 2_500_000]) {
    const marks = ticks(most);
    expect(marks[0]).toBe(0);
    expect(marks.at(-1)).toBeGreaterThanOrEqual(most);
    expect(marks.length).toBeLessThanOrEqual(6);
  }
  expect(ticks(0)).toEqual([0, 1]);
});
