/**
 * Web Push. What comes holds nothing: no sender, no text, always the same size. A page that is open, and its phone
 * not locked, is asked to fetch and decrypt, and shows what a person allows; else one notice without content is
 * shown, since nobody here could read.
 */

import badge from "../../public/badge-96.png?inline";
import icon from "../../public/icon-180.png?inline";

/** Of the notice without content; those of conversations have tags that only the open page understands. */
export const GENERAL = "chappe";

/**
 * Of all notices. A browser fetches an icon past the service worker, and holds the notice back for it: behind a dead
 * connection for a minute and a half. So they are in the code.
 */
export const LOOKS = { icon, badge };

/** What the page says to a knock, in this order: at once, and once it has read what there is or has no more time. */
export type Heard =
  | { type: "here"; open: boolean; seen: boolean; erased?: boolean }
  /**
   * `notices`: how many it raised. Where what came is a receipt, or in muted conversations, that is none. `read`: it
   * has read what there is, and the browser took all that it raised. `seen`: somebody looks by now.
   */
  | { type: "done"; open: boolean; seen: boolean; read: boolean; notices: number };

/** What the worker says to the pages. `knock` brings a port for what is heard; `opened`: of a notice. */
export type Said = { type: "knock" } | { type: "opened"; tag: string };

/** Milliseconds for either. A browser ends a worker that takes half a minute, and some pages are frozen. */
export const PATIENCE = { here: 2_000, done: 12_000 };

interface Outcome {
  open: boolean;
  seen: boolean;
  read: boolean;
  notices: number;
  erased: boolean;
}

const NOBODY: Outcome = { open: false, seen: false, read: false, notices: 0, erased: false };

export async function knock(scope: ServiceWorkerGlobalScope, patience = PATIENCE): Promise<void> {
  const pages = await pagesOf(scope);
  const outcomes = await Promise.all(pages.map((page) => ask(page, patience)));
  const open = outcomes.find((one) => one.open);
  const { registration } = scope;
  if (outcomes.some((one) => one.erased)) {
    // What was on its way as it was erased: there is nothing to read, nor who could.
    for (const old of await registration.getNotifications()) old.close();
    return await showNothing(scope);
  }
  if (open?.seen) return await showNothing(scope);
  if (open !== undefined) {
    // It tells of the rest, too. What stands there is not asked for: Chromium forgets a notice that is being raised.
    if (open.read || open.notices > 0) return;
  } else {
    // Names of a page that was closed, or locked meanwhile, do not stay.
    for (const old of await registration.getNotifications()) if (old.tag !== GENERAL) old.close();
  }
  await registration.showNotification("Chappe", { body: words(scope), tag: GENERAL, ...LOOKS });
}

/** To the conversation of that notice, if its page is open still; else to the lock. */
export async function openPage(scope: ServiceWorkerGlobalScope, tag: string): Promise<void> {
  const [page] = await pagesOf(scope);
  if (page === undefined) {
    await scope.clients.openWindow("/");
    return;
  }
  const said: Said = { type: "opened", tag };
  page.postMessage(said);
  // A browser that does not believe in the tap leaves the page where it is.
  await page.focus().catch(() => undefined);
}

function pagesOf(scope: ServiceWorkerGlobalScope): Promise<readonly WindowClient[]> {
  return scope.clients.matchAll({ type: "window", includeUncontrolled: true });
}

function ask(page: WindowClient, patience: typeof PATIENCE): Promise<Outcome> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    let outcome = NOBODY;
    const end = () => {
      clearTimeout(timer);
      port1.close();
      resolve(outcome);
    };
    let timer = setTimeout(end, patience.here);
    port1.onmessage = ({ data }: MessageEvent<Heard>) => {
      outcome = { ...outcome, ...data };
      // Who looks at the page sees what it fetches: no need to wait for that.
      if (data.type === "done" || !data.open || data.seen) return end();
      clearTimeout(timer);
      timer = setTimeout(end, patience.done);
    };
    const said: Said = { type: "knock" };
    page.postMessage(said, [port2]);
  });
}

/**
 * A person looks at the page: a notice would say what they see. Chromium and Firefox need none then; Safari ends
 * the subscription after three pushes without one, so there it is shown without a sound and taken away.
 */
async function showNothing({ registration, navigator }: ServiceWorkerGlobalScope): Promise<void> {
  const { userAgent } = navigator;
  if (!userAgent.includes("AppleWebKit/") || /Chrom(e|ium)\//.test(userAgent)) return;
  const tag = `${GENERAL}-seen`;
  await registration.showNotification("Chappe", { tag, silent: true, ...LOOKS });
  for (const shown of await registration.getNotifications({ tag })) shown.close();
}

function words({ navigator }: ServiceWorkerGlobalScope): string {
  return navigator.language.toLowerCase().startsWith("fr") ? "Nouveau message" : "New message";
}
