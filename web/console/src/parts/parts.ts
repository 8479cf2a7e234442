/** What charts draw. */
export interface Part {
  label: string;
  value: number;
  /** A CSS colour. */
  colour: string;
  href?: string;
}

export interface Column {
  label: string;
  parts: Part[];
}

/** Round numbers from 0 up to `most` or a little above: three to five of them. */
export function ticks(most: number): number[] {
  if (most <= 0) return [0, 1];
  const raw = most / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= raw) ?? raw;
  const found: number[] = [];
  for (let at = 0; at < most + step; at += step) found.push(Math.round(at * 1e6) / 1e6);
  return found;
}
