/**
 * What others wrote, for people to see: no control characters, and no changes of writing direction, by which a
 * name reads as another or a link as another place (Unicode UTR 36, section 3.3). Compare src/chappe/cli/show.py.
 */

const MARKS = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;
const UNSEEN = /^[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]*$/u;

/** Marks on one letter that some language needs; more of them run over the lines above. */
const FLOOD = /(\p{M}{4})\p{M}+/gu;
/** What cannot be seen, and makes two names that look the same. Joiners and variations are looked at one by one. */
const HIDDEN = /(?!\u200c|\u200d|\ufe0e|\ufe0f)\p{Default_Ignorable_Code_Point}/gu;
const JOINERS = /\u200c|\u200d|\ufe0e|\ufe0f/gu;
/** Scripts in which a joiner says something. */
const JOINED =
  /[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Mongolian}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gurmukhi}\p{Script=Gujarati}\p{Script=Oriya}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Sinhala}]$/u;
/** An emoji, or the end of one: a keycap's digit is none, and looks the same with a form as without. */
const PICTURED = /(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\ufe0f)$/u;

/** A text of several lines. */
export const cleanText = (text: string): string =>
  text
    .replace(/\r\n?/g, "\n")
    .replace(MARKS, (one) => (one === "\n" || one === "\t" ? one : ""))
    .replace(FLOOD, "$1");

/** One line, spelled in one way; "?" where nothing of it can be seen. */
export function cleanName(name: string): string {
  const kept = name
    .normalize("NFC")
    .replace(MARKS, "")
    .replace(HIDDEN, "")
    .replace(JOINERS, (one, at: number, whole: string) => (isNeeded(one, at, whole) ? one : ""))
    .replace(FLOOD, "$1")
    .replace(/[\p{Zs}\u2800]+/gu, " ")
    .trim();
  return UNSEEN.test(kept) ? "?" : kept;
}

function isNeeded(one: string, at: number, whole: string): boolean {
  const before = whole.slice(0, at);
  return PICTURED.test(before) || (one < "\ufe00" && JOINED.test(before));
}

const ALPHABETS = ["Latin", "Greek", "Cyrillic", "Armenian", "Cherokee"].map(
  (script) => new RegExp(`\\p{Script=${script}}`, "u"),
);

/** Whether a word takes letters of alphabets that look alike: nobody writes so who does not imitate. */
export function isMixed(name: string): boolean {
  return name
    .split(/[^\p{L}\p{M}]+/u)
    .some((word) => ALPHABETS.filter((letters) => letters.test(word)).length > 1);
}
