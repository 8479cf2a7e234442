/** Finds links in what people write. Only https and http become links; nothing is fetched. */
export interface Piece {
  text: string;
  link: string;
}

const LINK = /\bhttps?:\/\/[^\s<>"'`]+/giu;
// What closes a sentence is not a part of its last link.
const TRAILING = /[.,;:!?…»”’)\]}]+$/u;

export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(LINK)) {
    const address = match[0].replace(TRAILING, "");
    if (!isLink(address)) continue;
    if (match.index > at) found.push({ text: text.slice(at, match.index), link: "" });
    found.push({ text: address, link: address });
    at = match.index + address.length;
  }
  if (at < text.length || found.length === 0) found.push({ text: text.slice(at), link: "" });
  return found;
}

/** Nothing that turns the direction of writing, and no user name before the host: `https://bank.example@evil.example` shows one place and goes to another. */
function isLink(address: string): boolean {
  if (/\p{Bidi_Control}/u.test(address)) return false;
  try {
    const url = new URL(address);
    return /^https?:$/.test(url.protocol) && url.username === "" && url.password === "";
  } catch {
    return false;
  }
}
