/**
 * Web Push. What comes holds nothing: no sender, no text, always the same size. A page that is open fetches and
 * decrypts by itself; else a notice without content is shown, since a locked phone cannot read.
 */
const TAG = "chappe";

/** A page that people look at is told to fetch; otherwise one notice, in the language of the browser. */
export async function knock(scope: ServiceWorkerGlobalScope): Promise<void> {
  const pages = await scope.clients.matchAll({ type: "window", includeUncontrolled: true });
  for (const page of pages) page.postMessage({ type: "knock" });
  if (pages.some((page) => page.visibilityState === "visible")) return;
  const french = scope.navigator.language.toLowerCase().startsWith("fr");
  await scope.registration.showNotification("Chappe", {
    body: french ? "Quelque chose est arrivé." : "Something has arrived.",
    tag: TAG,
    icon: "/icon-192.png",
    badge: "/badge-96.png",
  });
}

export async function openPage(scope: ServiceWorkerGlobalScope): Promise<void> {
  const [page] = await scope.clients.matchAll({ type: "window" });
  if (page) await page.focus();
  else await scope.clients.openWindow("/");
}
