/** Waiting. */

/** A flag that somebody waits for. */
export class Bell {
  #rung = false;
  #waiter: (() => void) | null = null;

  ring(): void {
    this.#rung = true;
    this.#waiter?.();
  }

  /** Until it is rung, or so long; rung since the last time counts. */
  async wait(ms?: number): Promise<void> {
    if (!this.#rung)
      await new Promise<void>((done) => {
        const timer = ms === undefined ? undefined : setTimeout(done, ms);
        this.#waiter = () => {
          clearTimeout(timer);
          done();
        };
      });
    this.#rung = false;
    this.#waiter = null;
  }
}

/** A promise and its ends. */
export interface Waiter {
  promise: Promise<void>;
  done: () => void;
  fail: (problem: unknown) => void;
}

export function waiter(): Waiter {
  let done: () => void = () => {};
  let fail: (problem: unknown) => void = () => {};
  const promise = new Promise<void>((resolve, reject) => {
    done = resolve;
    fail = reject;
  });
  // Who waited may have gone.
  promise.catch(() => {});
  return { promise, done, fail };
}
