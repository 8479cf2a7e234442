/** Files of messages as object URLs, for as long as a view needs them. */
import type { Message } from "../../client/face.ts";
import { HEADER, isShowable } from "../../client/picture.ts";
import { SAVED } from "../../sw/saving.ts";
import { codeOf, explain } from "../model/errors.ts";
import type { Session } from "../model/session.svelte.ts";

/** Photos up to this size are fetched as soon as they are seen. */
export const AT_ONCE = 3 * 1024 * 1024;
export const MAX_FILE = 100 * 1024 * 1024;
/** A service worker has so long to take a stream: one of an earlier release knows nothing of it, and says nothing. */
export const HAND_OVER_MS = 5_000;

export class FileView {
  url = $state("");
  busy = $state(false);
  /** A photo that is none, or of more pixels than are shown: it can be saved, and nothing else. */
  unfit = $state(false);
  #closed = false;

  constructor(
    private readonly session: Session,
    private readonly message: () => Message,
  ) {}

  /** Fetches it if need be. Gives undefined where that fails, and the person was told. */
  async open(quiet = false): Promise<string | undefined> {
    if (this.url || this.busy || this.#closed) return this.url || undefined;
    this.busy = true;
    const { conversation, id } = this.message();
    try {
      const getting = this.session.phone.openFile(conversation, id);
      const blob = quiet
        ? await getting.catch(() => undefined)
        : await this.session.attempt(getting);
      if (!blob) return undefined;
      const unfit = this.message().kind === "photo" && !(await isPhoto(blob));
      // It may come after the view is gone, and the phone locked: a URL would keep it in the page, in clear.
      if (this.#closed) return undefined;
      this.unfit = unfit;
      this.url = URL.createObjectURL(inert(blob));
      return this.url;
    } finally {
      this.busy = false;
    }
  }

  /** Save it under its name. Piece by piece where the browser can, else all of it at once. */
  async save(name: string): Promise<void> {
    const { controller } = navigator.serviceWorker ?? {};
    if (this.url || this.busy || !controller) return this.#saveAtOnce(name);
    this.busy = true;
    const { conversation, id, attachment } = this.message();
    try {
      const stream = await this.session.phone.readFile(conversation, id);
      const taken = stream && (await handOver(controller, stream, name, attachment?.size ?? 0));
      if (taken !== false) return;
      this.busy = false;
      await this.#saveAtOnce(name);
    } catch (problem) {
      this.busy = false;
      // No code: the browser cannot hand a stream over.
      if (codeOf(problem) === "internal.bug") await this.#saveAtOnce(name);
      else this.session.say(explain(problem));
    } finally {
      this.busy = false;
    }
  }

  async #saveAtOnce(name: string): Promise<void> {
    const url = await this.open();
    if (url) save(url, name);
  }

  /** Stops what is under way, up or down. */
  async cancel(): Promise<void> {
    const { conversation, id } = this.message();
    await this.session.attempt(this.session.phone.cancelFile(conversation, id));
  }

  /** For good. */
  close(): void {
    this.#closed = true;
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = "";
  }
}

async function isPhoto(blob: Blob): Promise<boolean> {
  return isShowable(new Uint8Array(await blob.slice(0, HEADER).arrayBuffer()));
}

/** The service worker takes the stream, and a download takes it from there (sw/saving.ts). False where it does not. */
async function handOver(
  worker: ServiceWorker,
  stream: ReadableStream<Uint8Array>,
  name: string,
  size: number,
): Promise<boolean> {
  const id = crypto.randomUUID();
  const { port1, port2 } = new MessageChannel();
  const ready = new Promise<boolean>((done) => {
    port1.onmessage = () => done(true);
    setTimeout(() => done(false), HAND_OVER_MS);
  });
  worker.postMessage({ type: "save", id, name, size, stream }, [stream, port2]);
  const taken = await ready;
  port1.close();
  if (!taken) return false;
  // A link with `download` passes the service worker by. This one is answered as what is to be saved: the page stays.
  const link = document.createElement("a");
  link.href = SAVED + id;
  link.click();
  return true;
}

/** Saved under its name; a browser shows none of it. */
export function save(url: string, name: string): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}

/** A blob: URL has this page's origin, so what could run as a page never keeps its type. */
export function inert(blob: Blob): Blob {
  const type = blob.type.split(";")[0]?.trim().toLowerCase() ?? "";
  const shown = /^(image\/(jpeg|png|gif|webp|avif)|audio\/[\w.+-]+|video\/[\w.+-]+)$/.test(type);
  return shown ? blob : new Blob([blob], { type: "application/octet-stream" });
}
