/** The browser's caches, as far as the service worker uses them. tests/e2e runs the same code in Chromium. */
export class Caches {
  readonly all = new Map<string, Map<string, Response>>();

  async open(name: string): Promise<Cache> {
    const kept = this.all.get(name) ?? new Map<string, Response>();
    this.all.set(name, kept);
    return {
      match: async (path: string) => kept.get(path)?.clone(),
      put: async (path: string, answer: Response) => {
        kept.set(path, answer);
      },
    } as unknown as Cache;
  }
  async delete(name: string): Promise<boolean> {
    return this.all.delete(name);
  }
  async keys(): Promise<string[]> {
    return [...this.all.keys()];
  }
  async has(name: string): Promise<boolean> {
    return this.all.has(name);
  }
  async match(): Promise<undefined> {
    return undefined;
  }
}
