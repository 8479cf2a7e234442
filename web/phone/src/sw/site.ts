/** The page as it is kept here: one whole, checked release at a time. */
import { CONSOLE } from "./asked.ts";
import { headersOf } from "./headers.ts";
import {
  checkFile,
  MANIFEST,
  mayFollow,
  openRelease,
  type Refusal,
  RefusedRelease,
  type Release,
  SIGNATURE,
} from "./release.ts";

const STATE = "chappe-state";
const STATE_URL = "/__state";
const CACHE = "chappe-release-";
/** Of the Web Lock under which the state changes. */
const LOCK = "chappe release";

export interface State {
  release: Release | null;
  /** The one before, kept while pages of it may still be open. */
  previous: string;
  /** What was refused last, until a release is taken. */
  refused: Refusal | "";
}

export type Fetch = (path: string) => Promise<Response>;

/**
 * Two of these may live at once, an old worker's and a new one's, and each may be asked twice at once: what is kept
 * is read anew each time, and looked at again before it is changed.
 */
export class Site {
  constructor(
    private readonly key: Uint8Array,
    private readonly store: CacheStorage,
    private readonly origin: string,
    private readonly fetch: Fetch,
  ) {}

  async state(): Promise<State> {
    const kept = await (await this.store.open(STATE)).match(STATE_URL);
    return kept ? await kept.json() : { release: null, previous: "", refused: "" };
  }

  /**
   * Take the relay's release if it is another one, whole or not at all. Gives whether it did. Throws
   * RefusedRelease; what was here stays, and the state says why.
   */
  async update(): Promise<boolean> {
    try {
      const next = await this.#offered();
      if (!mayFollow(next, (await this.state()).release)) {
        await this.#change((now) => ({ ...now, refused: "" }));
        return false;
      }
      await this.#download(next);
      await this.#change((now) => {
        if (!mayFollow(next, now.release)) return { ...now, refused: "" };
        return { release: next, previous: now.release?.bundle ?? "", refused: "" };
      });
    } catch (problem) {
      if (problem instanceof RefusedRelease && problem.reason !== "unreachable")
        await this.#change((now) => ({ ...now, refused: problem.reason }));
      throw problem;
    }
    await this.#sweep();
    return true;
  }

  /** What the page gets for `path`; null where the release has no such file. */
  async answer(path: string): Promise<Response | null> {
    const { release, previous } = await this.state();
    if (release === null) return null;
    const name = path.endsWith("/") ? `${path}index.html` : path;
    for (const bundle of [release.bundle, previous]) {
      // Names below /assets hold a hash, so an open page of the release before may still have its own.
      if (bundle === "" || (bundle !== release.bundle && !name.startsWith("/assets/"))) continue;
      const found = await (await this.store.open(CACHE + bundle)).match(name);
      if (found) return found;
    }
    return this.#mend(release, name);
  }

  /** A file of the console, or one that the browser dropped from the cache: it comes anew, and is checked anew. */
  async #mend(release: Release, name: string): Promise<Response | null> {
    const file = release.files.find((one) => `/${one.path}` === name);
    if (file === undefined) return null;
    const cache = await this.store.open(CACHE + release.bundle);
    const data = await this.#get(addressOf(name));
    await checkFile(file, data);
    await cache.put(name, this.#made(name, data));
    return this.#made(name, data);
  }

  async #offered(): Promise<Release> {
    const [manifest, signature] = [await this.#get(MANIFEST), await this.#get(SIGNATURE)];
    return openRelease(manifest, signature, this.key);
  }

  async #download(release: Release): Promise<void> {
    const cache = await this.store.open(CACHE + release.bundle);
    try {
      for (const file of release.files) {
        // The browser itself keeps the worker, and asks the relay for it past this one.
        if (file.path === "sw.js") continue;
        const name = `/${file.path}`;
        // Few phones ever open the console: its files come when they are asked for, and are checked then.
        if (name.startsWith(CONSOLE)) continue;
        const data = await this.#get(addressOf(name));
        await checkFile(file, data);
        await cache.put(name, this.#made(name, data));
      }
    } catch (problem) {
      await this.store.delete(CACHE + release.bundle);
      throw problem;
    }
  }

  async #get(path: string): Promise<Uint8Array<ArrayBuffer>> {
    let answer: Response;
    try {
      answer = await this.fetch(path);
      if (answer.ok) return new Uint8Array(await answer.arrayBuffer());
    } catch {
      throw new RefusedRelease("unreachable", path);
    }
    throw new RefusedRelease(answer.status === 404 ? "file" : "unreachable", path);
  }

  #made(name: string, data: Uint8Array<ArrayBuffer>): Response {
    return new Response(data, { headers: headersOf(name, this.origin) });
  }

  /** What `next` throws changes nothing. */
  async #change(next: (now: State) => State): Promise<void> {
    await alone(async () => {
      const now = await this.state();
      const then = next(now);
      if (then.release === now.release && then.refused === now.refused) return;
      await (await this.store.open(STATE)).put(STATE_URL, Response.json(then));
    });
  }

  async #sweep(): Promise<void> {
    const { release, previous } = await this.state();
    const kept = new Set([STATE, CACHE + release?.bundle, CACHE + previous]);
    for (const name of await this.store.keys())
      if (name.startsWith("chappe-") && !kept.has(name)) await this.store.delete(name);
  }
}

async function alone(work: () => Promise<void>): Promise<void> {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks;
  await (locks ? locks.request(LOCK, work) : work());
}

/** The pages themselves have one address. */
function addressOf(name: string): string {
  return name.replace(/\/index\.html$/, "/");
}
