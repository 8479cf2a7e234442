/** One at a time: within a store, and between the tabs of a browser. */

import { error } from "../wire/errors";

export interface Hold {
  release(): void;
}

/** A queue: each turn comes when the one before it was released. */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  take(): Hold & { come: Promise<void> } {
    const come = this.#last;
    let release: () => void = () => {};
    this.#last = new Promise((done) => {
      release = done;
    });
    // One that is given up before it came must not let the next in early.
    return { come, release: () => void come.then(release) };
  }
}

/** The store is this tab's until released; without Web Locks, `Store` finds out at the first write. */
export async function hold(name: string): Promise<Hold> {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks;
  if (!locks) return { release() {} };
  return new Promise((given, refused) => {
    locks
      .request(`${name} in use`, { ifAvailable: true }, (lock) => {
        if (!lock) {
          refused(error("storage.locked", "Chappe is open in another tab; close it there first."));
          return;
        }
        return new Promise<void>((release) => given({ release }));
      })
      .catch(refused);
  });
}
