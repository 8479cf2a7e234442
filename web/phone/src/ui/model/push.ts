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
  const subscription = await push.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  await phone.subscribePush(subscription.toJSON());
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
