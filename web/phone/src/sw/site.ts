/** The page as it is kept here: one whole, checked release at a time. */
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

export interface State {
  release: Release | null;
  /** The one before, kept while pages of it may still be open. */
  previous: string;
  /** What was refused last, until a release is taken. */
  refused: Refusal | "";
}

export type Fetch = (path: string) => Promise<Response>;

export class Site {
  #state: State | null = null;

  constructor(
    private readonly key: Uint8Array,
    private readonly store: CacheStorage,
    private readonly origin: string,
    private readonly fetch: Fetch,
  ) {}

  async state(): Promise<State> {
    if (this.#state === null) {
      const kept = await (await this.store.open(STATE)).match(STATE_URL);
      this.#state = kept ? await kept.json() : { release: null, previous: "", refused: "" };
    }
    return this.#state as State;
  }

  /**
   * Take the relay's release if it is another one, whole or not at all. Gives whether it did. Throws
   * RefusedRelease; what was here stays, and the state says why.
   */
  async update(): Promise<boolean> {
    const now = await this.state();
    try {
      const next = await this.#offered();
      if (!mayFollow(next, now.release)) {
        if (now.refused !== "") await this.#keep({ ...now, refused: "" });
        return false;
      }
      await this.#download(next);
      await this.#keep({ release: next, previous: now.release?.bundle ?? "", refused: "" });
    } catch (problem) {
      if (problem instanceof RefusedRelease && problem.reason !== "unreachable")
        await this.#keep({ ...now, refused: problem.reason });
      throw problem;
    }
    await this.#sweep();
    return true;
  }

  /** What the page gets for `path`; null where the release has no such file. */
  async answer(path: string): Promise<Response | null> {
    const { release, previous } = await this.state();
    if (release === null) return null;
    const name = path === "/" ? "/index.html" : path;
    for (const bundle of [release.bundle, previous]) {
      // Names below /assets hold a hash, so an open page of the release before may still have its own.
      if (bundle === "" || (bundle !== release.bundle && !name.startsWith("/assets/"))) continue;
      const found = await (await this.store.open(CACHE + bundle)).match(name);
      if (found) return found;
    }
    return this.#mend(release, name);
  }

  /** A file that the browser dropped from the cache comes anew, and is checked anew. */
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

  async #keep(state: State): Promise<void> {
    await (await this.store.open(STATE)).put(STATE_URL, Response.json(state));
    this.#state = state;
  }

  async #sweep(): Promise<void> {
    const { release, previous } = await this.state();
    const kept = new Set([STATE, CACHE + release?.bundle, CACHE + previous]);
    for (const name of await this.store.keys())
      if (name.startsWith("chappe-") && !kept.has(name)) await this.store.delete(name);
  }
}

/** The page itself has one address. */
function addressOf(name: string): string {
  return name === "/index.html" ? "/" : name;
}
