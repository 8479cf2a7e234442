/** What the page itself can say of a code, before the engine is asked. The engine decides. */
const LINK =
  /^chappe:\/\/([^/:]+|\[[0-9a-f:.]+\])(?::\d{1,5})?\/a\/[A-Za-z0-9-]+(?:\/[A-Za-z0-9_-]{43})?(?:#[A-Za-z0-9_-]{43})?$/;
const CODE = /^[0-9A-Za-z]{16}$/;
const NAME = /^[a-z0-9][a-z0-9._-]{0,31}$/;

export function looksLikeCode(text: string): boolean {
  const plain = text.trim();
  return LINK.test(plain) || CODE.test(plain.replace(/[-\s\u2010-\u2014]/g, ""));
}

/** The host part of the address to be: of the link, or this relay's. */
export function relayOf(text: string, here: string): string {
  return LINK.exec(text.trim())?.[1] ?? here;
}

export function nameFits(name: string): boolean {
  return NAME.test(name);
}
