/** One at a time: within a store, and between the tabs of a browser. */

import { error } from "../wire/errors";

export interface Hold {
  release(): void;
}

export interface Turn extends Hold {
  /** Until it is this one's turn. */
  come: Promise<void>;
}

/** A queue: each turn comes when the one before it was released. */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  take(): Turn {
    const come = this.#last;
    let release: () => void = () => {};
    this.#last = new Promise((done) => {
      release = done;
    });
    // One that is given up before it came must not let the next in early.
    return { come, release: () => void come.then(release) };
  }
}

/** As long as a store that was just closed, or a page that is being left, may take to let go. */
const PATIENCE_MS = 2000;

/** The store is this tab's until released; without Web Locks, `Store` finds out at the first write. */
export async function hold(name: string): Promise<Hold> {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks;
  if (!locks) return { release() {} };
  const signal = AbortSignal.timeout(PATIENCE_MS);
  return new Promise((given, refused) => {
    const held = () => new Promise<void>((release) => given({ release }));
    locks
      .request(`${name} in use`, { signal }, held)
      .catch(() =>
        refused(error("storage.locked", "Chappe is open in another tab; close it there first.")),
      );
  });
}

const queues = new Map<string, Turns>();

/** One at a time by that name, in this program and, where the browser has Web Locks, in all tabs. */
export async function exclusive<T>(name: string, work: () => Promise<T>): Promise<T> {
  const queue = queues.get(name) ?? new Turns();
  queues.set(name, queue);
  const turn = queue.take();
  await turn.come;
  try {
    const locks = (globalThis.navigator as Navigator | undefined)?.locks;
    return locks ? await locks.request(`${name} changes`, work) : await work();
  } finally {
    turn.release();
  }
}
