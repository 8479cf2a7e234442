/**
 * What others wrote, for people to see: no control characters, and no changes of writing direction, by which a
 * name reads as another or a link as another place (Unicode UTR 36, section 3.3). Compare src/chappe/cli/show.py.
 */

const MARKS = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;
const UNSEEN = /^[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]*$/u;

/** A text of several lines. */
export const cleanText = (text: string): string =>
  text.replace(/\r\n?/g, "\n").replace(MARKS, (one) => (one === "\n" || one === "\t" ? one : ""));

/** One line; "?" where nothing of it can be seen. */
export function cleanName(name: string): string {
  const kept = name.replace(MARKS, "");
  return UNSEEN.test(kept) ? "?" : kept;
}
