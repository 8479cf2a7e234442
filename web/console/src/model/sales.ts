/** Sales as columns of a chart. */
import type { SoldView } from "../api/types.ts";
import type { Column } from "../parts/parts.ts";

const NAMED = 5;

/** A month a column, none left out, the largest resellers by name and the rest as one. */
export function byMonth(
  sold: SoldView[],
  name: (month: string) => string,
  others: string,
): Column[] {
  const sums = new Map<string, number>();
  for (const one of sold) sums.set(one.name, (sums.get(one.name) ?? 0) + one.net);
  const ranked = [...sums].sort((a, b) => b[1] - a[1]).map(([reseller]) => reseller);
  const named = ranked.slice(0, NAMED);
  const rest = new Set(ranked.slice(NAMED));
  return months(sold).map((month) => {
    const mine = sold.filter((one) => one.month === month);
    const net = (wanted: (reseller: string) => boolean) =>
      mine.filter((one) => wanted(one.name)).reduce((sum, one) => sum + one.net, 0);
    const parts = named.map((reseller, at) => ({
      label: reseller,
      value: net((one) => one === reseller),
      colour: `var(--c${at + 1})`,
    }));
    if (rest.size > 0)
      parts.push({ label: others, value: net((one) => rest.has(one)), colour: "var(--c7)" });
    return { label: name(month), parts };
  });
}

/** From the first to the last that something was sold in. */
function months(sold: SoldView[]): string[] {
  const there = sold.map((one) => one.month).sort();
  const [first, last] = [there[0], there.at(-1)];
  if (first === undefined || last === undefined) return [];
  const found = [first];
  while ((found.at(-1) ?? last) < last && found.length < 60) {
    const [year = 0, month = 0] = (found.at(-1) ?? last).split("-").map(Number);
    found.push(new Date(Date.UTC(year, month, 1)).toISOString().slice(0, 7));
  }
  return found;
}
