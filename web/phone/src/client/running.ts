/** What is under way, by name: one of each at a time, and each can be told to stop. */

export class Running {
  #tasks = new Map<string, { work: Promise<void>; stop: AbortController }>();
  #ended = false;

  /** Begin it, unless it runs already. Gives what ends with it. */
  start(name: string, run: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const running = this.#tasks.get(name);
    if (running !== undefined) return running.work;
    const stop = new AbortController();
    if (this.#ended) stop.abort();
    const work = run(stop.signal).finally(() => this.#tasks.delete(name));
    this.#tasks.set(name, { work, stop });
    return work;
  }

  /** It throws an AbortError where it waits next, and ends. */
  async stop(name: string): Promise<void> {
    const running = this.#tasks.get(name);
    running?.stop.abort();
    await Promise.allSettled([running?.work]);
  }

  /** All of it, for good. */
  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all([...this.#tasks.keys()].map((name) => this.stop(name)));
  }
}
