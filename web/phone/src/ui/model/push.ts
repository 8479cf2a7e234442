/** Web Push of this browser, kept at the relay while notifications are on. */
import type { PhoneFace } from "../../client/face.ts";

/** Without a service worker, or a push service that the browser trusts, notices come only while the page is open. */
async function manager(): Promise<PushManager | null> {
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  const registration = await container?.getRegistration();
  return registration && "pushManager" in registration ? registration.pushManager : null;
}

export async function enablePush(phone: PhoneFace): Promise<void> {
  const push = await manager();
  if (push === null) return;
  const key = fromBase64(await phone.pushKey());
  if (key.length === 0) return;
  const subscription = await subscribe(push, key);
  await phone.subscribePush(subscription.toJSON());
}

/** A browser keeps to the key that it subscribed with: a relay with another one needs a fresh subscription. */
async function subscribe(
  push: PushManager,
  key: Uint8Array<ArrayBuffer>,
): Promise<PushSubscription> {
  const before = await push.getSubscription();
  const held = before?.options.applicationServerKey;
  if (before && (!held || !same(new Uint8Array(held), key))) await before.unsubscribe();
  return await push.subscribe({ userVisibleOnly: true, applicationServerKey: key });
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

export async function disablePush(phone: PhoneFace): Promise<void> {
  await phone.subscribePush(null);
  const subscription = await (await manager())?.getSubscription();
  await subscription?.unsubscribe();
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}
