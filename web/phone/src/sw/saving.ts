/**
 * Files that a person saves: the page hands over a stream, and a download from a path of its own takes it, piece by
 * piece. So a large file is nowhere whole, and nowhere in clear but where it was saved.
 */

/** What the page says. `id`: a UUID made for it. */
export interface Saving {
  type: "save";
  id: string;
  name: string;
  size: number;
  stream: ReadableStream<Uint8Array>;
}

export const SAVED = "/saved/";
/** How many may wait: a page asks for one as soon as it has handed it over. */
const MOST = 8;

export class Savings {
  #waiting = new Map<string, Saving>();

  take(saving: Saving): void {
    for (const [id, { stream }] of this.#waiting) {
      if (this.#waiting.size < MOST) break;
      this.#waiting.delete(id);
      stream.cancel().catch(() => {});
    }
    this.#waiting.set(saving.id, saving);
  }

  /** Once each; null where nothing waits there. `ended`: all of it went out, or nobody wants it. */
  answer(url: string): { response: Response; ended: Promise<void> } | null {
    const { pathname } = new URL(url);
    const id = pathname.startsWith(SAVED) ? pathname.slice(SAVED.length) : "";
    const saving = this.#waiting.get(id);
    if (saving === undefined) return null;
    this.#waiting.delete(id);
    const passing = new TransformStream<Uint8Array, Uint8Array>();
    const ended = saving.stream.pipeTo(passing.writable).catch(() => {});
    return { response: new Response(passing.readable, { headers: headers(saving) }), ended };
  }
}

/** It is saved whatever it is, and never shown: it would have this origin. */
function headers({ name, size }: Saving): Record<string, string> {
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return {
    "Content-Type": "application/octet-stream",
    "Content-Length": String(size),
    "Content-Disposition": `attachment; filename*=UTF-8''${encoded}`,
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
  };
}
