/** A text cut where the words that were searched stand, so that they can be marked. */
export interface Part {
  text: string;
  marked: boolean;
}

const BEFORE = 24;

export function parts(text: string, wanted: string): Part[] {
  const words = wanted.split(/\s+/).filter(Boolean);
  if (words.length === 0) return [{ text, marked: false }];
  const pattern = new RegExp(`(${words.map(escaped).join("|")})`, "giu");
  const first = text.search(pattern);
  const shown = first > BEFORE + 12 ? `…${text.slice(first - BEFORE)}` : text;
  return shown
    .split(pattern)
    .map((part, index) => ({ text: part, marked: index % 2 === 1 }))
    .filter((part) => part.text !== "");
}

function escaped(word: string): string {
  return word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
