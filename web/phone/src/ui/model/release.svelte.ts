/** Which code runs here, as the service worker knows it; and a new one that is ready, or was refused. */
import type { Told } from "../../sw/main.ts";
import { scriptUrl } from "./trusted.ts";

const CHECK_MS = 6 * 3600 * 1000;
/** A worker that waits takes its place at once, or the page is loaded anew without it. */
const TAKE_MS = 2_000;
/** What the QR code of a version begins with. */
export const VERSION_PREFIX = "chappe-version:";

class Version {
  bundle = $state("");
  version = $state("");
  /** Why an offered release was not taken: `signature`, `manifest`, `older`, `file`; "" for none. */
  refused = $state("");
  fresh = $state(false);
  /** SHA-256 of the manifest that the worker has checked, in hex; "" where it does not know. */
  #digest = "";
  #onRelease: (digest: string) => void = () => {};
  /** The bundle that this page is of. */
  #loaded = "";
  #registration: ServiceWorkerRegistration | undefined;

  /** Registers the worker. Where there can be none (a certificate that the browser does not trust), nothing is checked. */
  async start(): Promise<void> {
    const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
    if (!import.meta.env.PROD || container === undefined) return;
    container.addEventListener("message", (event) => this.#hear(event.data as Told));
    container.startMessages();
    // Before anything newer can come: registering makes the browser look for another worker, which takes its release.
    container.controller?.postMessage({ type: "state" });
    try {
      this.#registration = await container.register(scriptUrl("/sw.js"), {
        updateViaCache: "none",
      });
    } catch {
      return;
    }
    const registration = await container.ready;
    const ask = (type: string) => registration.active?.postMessage({ type });
    ask("state");
    ask("check");
    registration.addEventListener("updatefound", () => {
      const { installing } = registration;
      installing?.addEventListener("statechange", () => {
        if (installing.state === "installed") ask("state");
      });
    });
    window.setInterval(() => ask("check"), CHECK_MS);
    addEventListener("online", () => ask("check"));
  }

  /** Called now, where it is known, and whenever it is told. */
  set onRelease(listener: (digest: string) => void) {
    this.#onRelease = listener;
    if (this.#digest !== "") listener(this.#digest);
  }

  /** Load the page anew, with the worker that came with it. */
  async restart(): Promise<void> {
    const waiting = this.#registration?.waiting;
    if (waiting) {
      const taken = new Promise((done) =>
        navigator.serviceWorker.addEventListener("controllerchange", done, { once: true }),
      );
      waiting.postMessage({ type: "take" });
      await Promise.race([taken, new Promise((done) => setTimeout(done, TAKE_MS))]);
    }
    location.reload();
  }

  #hear(told: Told): void {
    if (told.type !== "release") return;
    this.bundle = told.bundle;
    this.version = told.version;
    this.refused = told.refused;
    // Of the page that is open, not of the one that takes its place at the next loading.
    if (told.digest !== "" && (this.#loaded === "" || this.#loaded === told.bundle)) {
      this.#digest = told.digest;
      this.#onRelease(told.digest);
    }
    this.#loaded ||= told.bundle;
    this.fresh ||= told.fresh || told.bundle !== this.#loaded;
  }
}

export const version = new Version();
