/** Which code runs here, as the service worker knows it; and a new one that is ready, or was refused. */
import type { Told } from "../../sw/main.ts";
import { scriptUrl } from "./trusted.ts";

const CHECK_MS = 6 * 3600 * 1000;
/** What the QR code of a version begins with. */
export const VERSION_PREFIX = "chappe-version:";

class Version {
  bundle = $state("");
  version = $state("");
  /** Why an offered release was not taken: `signature`, `manifest`, `older`, `file`; "" for none. */
  refused = $state("");
  fresh = $state(false);

  /** Registers the worker. Where there can be none (a certificate that the browser does not trust), nothing is checked. */
  async start(): Promise<void> {
    const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
    if (!import.meta.env.PROD || container === undefined) return;
    container.addEventListener("message", (event) => this.#hear(event.data as Told));
    container.startMessages();
    try {
      await container.register(scriptUrl("/sw.js"), { updateViaCache: "none" });
    } catch {
      return;
    }
    const registration = await container.ready;
    const ask = (type: string) => registration.active?.postMessage({ type });
    ask("state");
    ask("check");
    window.setInterval(() => ask("check"), CHECK_MS);
    addEventListener("online", () => ask("check"));
  }

  #hear(told: Told): void {
    if (told.type !== "release") return;
    this.bundle = told.bundle;
    this.version = told.version;
    this.refused = told.refused;
    this.fresh ||= told.fresh;
  }
}

export const version = new Version();
