/**
 * Open, from unlocking to locking: without use for the idle time, or out of sight, it locks.
 *
 * A browser stops timers of a page that nobody sees and of a phone that sleeps, so the time is looked at
 * whenever somebody comes back, too: both clocks count, the one that runs on in sleep and the one that nobody
 * can set.
 */

export interface Clocks {
  /** Unix milliseconds; somebody may set it. */
  wall(): number;
  /** Milliseconds that only grow, and may stand still in sleep. */
  steady(): number;
  /** Calls once, after so many milliseconds; gives what calls it off. */
  after(milliseconds: number, call: () => void): () => void;
}

export const CLOCKS: Clocks = {
  wall: () => Date.now(),
  steady: () => performance.now(),
  after(milliseconds, call) {
    const timer = setTimeout(call, milliseconds);
    return () => clearTimeout(timer);
  },
};

export interface SessionRules {
  idleSeconds: number;
  lockOnHide: boolean;
}

export class Session {
  #used: { wall: number; steady: number };
  #endings: (() => void)[] = [];
  #callOff: () => void = () => {};
  #locked = false;

  constructor(
    private rules: SessionRules,
    private readonly clocks: Clocks = CLOCKS,
  ) {
    this.#used = this.#now();
    this.#wait();
  }

  get locked(): boolean {
    return this.#locked;
  }

  /** Runs at lock, the newest first: close the store, wipe keys, tell the pages. At once if locked. */
  atLock(ending: () => void): void {
    if (this.#locked) ending();
    else this.#endings.unshift(ending);
  }

  /** A person did something. Whether the session is open still: too late a touch locks. */
  touch(): boolean {
    if (!this.look()) return false;
    this.#used = this.#now();
    this.#wait();
    return true;
  }

  /** Lock if the idle time is over; whether it is open. To look is no use of it. */
  look(): boolean {
    if (!this.#locked && this.#idle() >= this.rules.idleSeconds * 1000) this.lock();
    return !this.#locked;
  }

  /** The page went out of sight, or came back. */
  visible(seen: boolean): void {
    if (!seen && this.rules.lockOnHide) this.lock();
    else this.look();
  }

  setRules(rules: SessionRules): void {
    this.rules = rules;
    if (this.look()) this.#wait();
  }

  /** Every ending runs, whatever another one throws. */
  lock(): void {
    if (this.#locked) return;
    this.#locked = true;
    this.#callOff();
    const endings = this.#endings;
    this.#endings = [];
    const problems: unknown[] = [];
    for (const end of endings) {
      try {
        end();
      } catch (problem) {
        problems.push(problem);
      }
    }
    if (problems.length > 0) throw problems[0];
  }

  #now(): { wall: number; steady: number } {
    return { wall: this.clocks.wall(), steady: this.clocks.steady() };
  }

  #idle(): number {
    const now = this.#now();
    return Math.max(now.wall - this.#used.wall, now.steady - this.#used.steady);
  }

  #wait(): void {
    this.#callOff();
    const left = Math.max(0, this.rules.idleSeconds * 1000 - this.#idle());
    this.#callOff = this.clocks.after(left, () => {
      if (this.look()) this.#wait();
    });
  }
}
