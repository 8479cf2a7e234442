/** Web Push of this browser, kept at the relay while notifications are on. */
import type { PhoneFace } from "../../client/face.ts";

/** Without a service worker, or a push service that the browser trusts, notices come only while the page is open. */
async function manager(): Promise<PushManager | null> {
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  const registration = await container?.getRegistration();
  return registration && "pushManager" in registration ? registration.pushManager : null;
}

/** What the relay could not be told is told when it is there again. */
export class Pushes {
  #on = false;
  #due = false;

  constructor(private readonly phone: Pick<PhoneFace, "subscribePush" | "pushKey">) {}

  /** Throws what the browser and the relay refuse with. */
  async enable(): Promise<void> {
    this.#on = true;
    const push = await manager();
    if (push === null) return;
    await this.#tell(async () => {
      const key = fromBase64(await this.phone.pushKey());
      if (key.length === 0 || !this.#on) return;
      const subscription = await subscribe(push, key);
      await this.phone.subscribePush(subscription.toJSON());
    });
  }

  /** The browser first, which needs no relay: from then on nothing is shown. Throws if the browser does not. */
  async disable(): Promise<void> {
    const subscription = await (await manager())?.getSubscription();
    await subscription?.unsubscribe();
    this.#on = false;
    // A relay that is away hears it later; one that never does is told by the push service at its next knock.
    this.#tell(() => this.phone.subscribePush(null)).catch(() => undefined);
  }

  /** The phone was erased: nobody rings here any more. The relay has forgotten it by itself. */
  async end(): Promise<void> {
    this.#on = false;
    this.#due = false;
    const subscription = await (await manager())?.getSubscription();
    await subscription?.unsubscribe();
  }

  /** At the start: a browser may have changed its subscription meanwhile, or kept one that should be gone. */
  async resume(on: boolean): Promise<void> {
    if (on) await this.enable();
    else if (await (await manager())?.getSubscription()) await this.disable();
    else await this.online();
  }

  /** The relay is there. */
  async online(): Promise<void> {
    if (!this.#due) return;
    if (this.#on) await this.enable();
    else await this.#tell(() => this.phone.subscribePush(null));
  }

  async #tell(doing: () => Promise<void>): Promise<void> {
    this.#due = false;
    try {
      await doing();
    } catch (problem) {
      this.#due = true;
      throw problem;
    }
  }
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

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}
