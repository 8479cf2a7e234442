/** The service worker: the page from a checked release, also without a network; and a knock when something waits. */
import { pathFor } from "./asked.ts";
import { knock, openPage } from "./push.ts";
import { fromHex, RefusedRelease } from "./release.ts";
import { type Saving, Savings } from "./saving.ts";
import { Site } from "./site.ts";

declare const self: ServiceWorkerGlobalScope;
declare const __RELEASE_KEY__: string;

type Asker = ExtendableMessageEvent["source"];

const site = new Site(fromHex(__RELEASE_KEY__), caches, self.location.origin, (path) =>
  fetch(path, { cache: "no-store", credentials: "omit", redirect: "error" }),
);

const savings = new Savings();

/**
 * What the page may ask, and what it hears. `take`: of a worker that waits, once the person is about to load
 * anew. A file to save is answered on the port that comes with it.
 */
export type Ask = { type: "check" } | { type: "state" } | { type: "take" } | Saving;
export type Told = {
  type: "release";
  bundle: string;
  version: string;
  /** SHA-256 of the manifest, in hex; "" of one that was kept before that was noted. */
  digest: string;
  refused: string;
  fresh: boolean;
};

self.addEventListener("install", (event) => {
  event.waitUntil(install());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(self.clients.claim());
});

self.addEventListener("fetch", (event) => {
  const saved = savings.answer(event.request.url);
  if (saved !== null) {
    event.respondWith(saved.response);
    event.waitUntil(saved.ended);
    return;
  }
  const path = pathFor(event.request, self.location.origin);
  if (path !== null) event.respondWith(answer(path));
});

self.addEventListener("message", (event) => {
  const ask = event.data as Ask | null;
  if (ask?.type === "state") event.waitUntil(tell(event.source, false));
  if (ask?.type === "save") {
    savings.take(ask);
    event.ports[0]?.postMessage("ready");
  }
  if (ask?.type === "check") event.waitUntil(check(event.source));
  if (ask?.type === "take") event.waitUntil(self.skipWaiting());
});

self.addEventListener("push", (event) => {
  event.waitUntil(knock(self));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(openPage(self, event.notification.tag));
});

/** Without a checked release this worker does not come to be. One that is here already stays, whatever is offered. */
async function install(): Promise<void> {
  try {
    await site.update();
  } catch (problem) {
    if ((await site.state()).release === null) throw problem;
  }
}

async function answer(path: string): Promise<Response> {
  try {
    let found = await site.answer(path);
    if (found === null && (await site.state()).release === null) {
      // Erasing empties the caches under a worker that lives on: it begins anew, with what is signed.
      await site.update();
      found = await site.answer(path);
    }
    return found ?? new Response("", { status: 404 });
  } catch (problem) {
    // The page is told, and nothing that is not in the manifest runs.
    if (problem instanceof RefusedRelease) return Response.error();
    throw problem;
  }
}

async function check(source: Asker): Promise<void> {
  let fresh = false;
  try {
    fresh = await site.update();
  } catch (problem) {
    if (!(problem instanceof RefusedRelease)) throw problem;
  }
  await tell(source, fresh);
}

async function tell(source: Asker, fresh: boolean): Promise<void> {
  const { release, refused } = await site.state();
  const told: Told = {
    type: "release",
    bundle: release?.bundle ?? "",
    version: release?.version ?? "",
    digest: release?.digest ?? "",
    refused,
    fresh,
  };
  source?.postMessage(told);
}
