/** Letters without their case, as Python's `str.casefold` has it: Unicode's full case folding. */

const CHEROKEE = /[\u13a0-\u13fd\uab70-\uabbf]/;

export function casefold(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what ASCII is
  if (/^[\x00-\x7f]*$/.test(text)) return text.toLowerCase();
  return Array.from(text, foldOne).join("");
}

function foldOne(letter: string): string {
  if (letter === "ı") return letter;
  // Folded to upper case, for history's sake.
  if (CHEROKEE.test(letter)) return letter.toUpperCase();
  // Up and down: what has no small letter of its own, such as ß, becomes what its capitals become.
  const capitals = letter === "ẞ" ? "SS" : letter.toUpperCase();
  return Array.from(capitals, (one) => one.toLowerCase())
    .join("")
    .replaceAll("ς", "σ");
}
