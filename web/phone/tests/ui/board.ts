/** The system's notices, as a service worker's registration shows them. */

type Options = NotificationOptions & { renotify?: boolean };

export class Board {
  shown: { title: string; body: string; tag: string; close: () => void }[] = [];
  sounds = 0;
  refuses = false;

  get lines(): string[] {
    return this.shown.map(({ title, body }) => `${title}: ${body}`);
  }

  async showNotification(title: string, options: Options = {}): Promise<void> {
    if (this.refuses) throw new TypeError("not allowed");
    const { tag = "", body = "", renotify = false, silent = false } = options;
    const others = this.shown.filter((one) => one.tag !== tag);
    if (!silent && (renotify || others.length === this.shown.length)) this.sounds += 1;
    const one = { title, body, tag, close: () => this.#close(one) };
    this.shown = [...others, one];
  }

  async getNotifications(which: { tag?: string } = {}): Promise<Notification[]> {
    const found = this.shown.filter(({ tag }) => which.tag === undefined || which.tag === tag);
    return found as unknown as Notification[];
  }

  #close(gone: { tag: string }): void {
    this.shown = this.shown.filter((one) => one !== gone);
  }
}
