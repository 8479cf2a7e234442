/** Which requests the service worker answers from the release, and which it leaves to the network. */

/** The console is of the same release: it shares this origin, so nothing unsigned may run there either. */
export const CONSOLE = "/console/";

/** Of a Request, what counts here. */
export interface Asked {
  url: string;
  method: string;
  mode: string;
  /** Empty for what a script fetches: it is data, and stays data. */
  destination: string;
}

/**
 * The path in the release that answers; null where the request goes on to the relay, as data that a script asked
 * for. Whatever would open as a page of this origin, run in it or be shown by it is the release's, at any path:
 * a link to `/v1/…` must not make a page of what a relay says there.
 */
export function pathFor(asked: Asked, origin: string): string | null {
  const { origin: from, pathname } = new URL(asked.url);
  if (from !== origin) return null;
  if (asked.mode === "navigate") return /^\/console\/?$/.test(pathname) ? CONSOLE : "/";
  if (asked.method !== "GET") return null;
  const isData = pathname.startsWith("/v1/") || /^\/(sw\.js|release\.(json|sig))$/.test(pathname);
  return isData && asked.destination === "" ? null : pathname;
}
