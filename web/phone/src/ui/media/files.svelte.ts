/** Files of messages as object URLs, for as long as a view needs them. */
import type { Message } from "../../client/face.ts";
import { HEADER, isShowable } from "../../client/picture.ts";
import type { Session } from "../model/session.svelte.ts";

/** Photos up to this size are fetched as soon as they are seen. */
export const AT_ONCE = 3 * 1024 * 1024;
export const MAX_FILE = 100 * 1024 * 1024;

export class FileView {
  url = $state("");
  busy = $state(false);
  /** A photo that is none, or of more pixels than are shown: it can be saved, and nothing else. */
  unfit = $state(false);

  constructor(
    private readonly session: Session,
    private readonly message: () => Message,
  ) {}

  /** Fetches it if need be. Gives undefined where that fails, and the person was told. */
  async open(quiet = false): Promise<string | undefined> {
    if (this.url || this.busy) return this.url || undefined;
    this.busy = true;
    const { conversation, id } = this.message();
    try {
      const getting = this.session.phone.openFile(conversation, id);
      const blob = quiet
        ? await getting.catch(() => undefined)
        : await this.session.attempt(getting);
      if (!blob) return undefined;
      this.unfit = this.message().kind === "photo" && !(await isPhoto(blob));
      this.url = URL.createObjectURL(inert(blob));
      return this.url;
    } finally {
      this.busy = false;
    }
  }

  /** Stops what is under way, up or down. */
  async cancel(): Promise<void> {
    const { conversation, id } = this.message();
    await this.session.attempt(this.session.phone.cancelFile(conversation, id));
  }

  close(): void {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = "";
  }
}

async function isPhoto(blob: Blob): Promise<boolean> {
  return isShowable(new Uint8Array(await blob.slice(0, HEADER).arrayBuffer()));
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
