/** The messages of one conversation that are loaded: the newest ones, and older ones as one scrolls up. */
import type { Event, Message } from "../../client/face.ts";
import { sameDay } from "./format.ts";
import type { Session } from "./session.svelte.ts";

const PAGE = 60;
/** Messages of one person so close together are shown as one block. Seconds. */
const TOGETHER = 180;

export interface Line {
  message: Message;
  /** A new day begins with it. */
  day: boolean;
  /** First and last of a block by one person. */
  first: boolean;
  last: boolean;
  /** What was new when the conversation was opened begins here. */
  unread: boolean;
}

export class Thread {
  messages = $state.raw<Message[]>([]);
  loading = $state(true);
  /** Whether there may be older ones. */
  more = $state(false);
  lines = $derived.by(() => {
    this.#shown = steady(this.#shown, lines(this.messages, this.#firstUnread()));
    return this.#shown;
  });
  #shown: Line[] = [];
  #unread: number;
  #newest = 0;
  #stop: () => void;

  constructor(
    private readonly session: Session,
    readonly id: string,
  ) {
    this.#unread = session.conversation(id)?.unread ?? 0;
    this.#stop = session.follow((event) => this.#hear(event));
  }

  async load(): Promise<void> {
    const page = await this.session.phone.messages(this.id, 0, Math.max(PAGE, this.#unread + 10));
    this.#merge(page);
    this.#newest = this.messages.at(-1)?.seq ?? 0;
    this.more = page.length >= PAGE;
    this.loading = false;
  }

  async older(count = PAGE): Promise<void> {
    const first = this.messages[0];
    if (!first || this.loading) return;
    this.loading = true;
    try {
      const page = await this.session.phone.messages(this.id, first.seq, count);
      this.#merge(page);
      this.more = page.length >= count;
    } finally {
      this.loading = false;
    }
  }

  /**
   * Load back to a message, as far as it takes. `seq`: its place, where that is known, and one page is enough.
   * Gives whether it is here.
   */
  async reach(message: string, seq = 0): Promise<boolean> {
    const first = this.messages[0];
    if (seq > 0 && first && seq < first.seq) await this.older(first.seq - seq + PAGE / 2);
    while (!this.messages.some((one) => one.id === message)) {
      if (!this.more) return false;
      await this.older();
    }
    return true;
  }

  find(id: string): Message | undefined {
    return this.messages.find((one) => one.id === id);
  }

  close(): void {
    this.#stop();
  }

  #firstUnread(): string {
    let left = this.#unread;
    if (left === 0) return "";
    for (const message of [...this.messages].reverse()) {
      if (message.seq > this.#newest || message.mine || message.kind === "notice") continue;
      left -= 1;
      if (left === 0) return message.id;
    }
    return "";
  }

  #hear(event: Event): void {
    if (event.type === "message" && event.message.conversation === this.id)
      this.#merge([event.message]);
    if (event.type === "messageGone" && event.conversation === this.id)
      this.messages = this.messages.filter((one) => one.id !== event.id);
  }

  #merge(page: Message[]): void {
    const known = new Map(this.messages.map((one) => [one.id, one]));
    for (const message of page) known.set(message.id, message);
    this.messages = [...known.values()].sort((a, b) => a.seq - b.seq);
  }
}

/** A line that says what it said before stays the same object: its bubble is not drawn again. */
export function steady(before: Line[], now: Line[]): Line[] {
  const known = new Map(before.map((line) => [line.message.id, line]));
  return now.map((line) => {
    const found = known.get(line.message.id);
    return found !== undefined && sameLine(found, line) ? found : line;
  });
}

function sameLine(one: Line, other: Line): boolean {
  return (
    one.message === other.message &&
    one.day === other.day &&
    one.first === other.first &&
    one.last === other.last &&
    one.unread === other.unread
  );
}

export function lines(messages: Message[], firstUnread: string): Line[] {
  return messages.map((message, index) => {
    const before = messages[index - 1];
    const after = messages[index + 1];
    const day = before === undefined || !sameDay(before.at, message.at);
    const unread = message.id === firstUnread;
    return {
      message,
      day,
      unread,
      first: day || unread || !together(before, message),
      last:
        after === undefined ||
        after.id === firstUnread ||
        !sameDay(message.at, after.at) ||
        !together(message, after),
    };
  });
}

function together(one: Message | undefined, other: Message): boolean {
  return (
    one !== undefined &&
    one.kind !== "notice" &&
    other.kind !== "notice" &&
    one.from === other.from &&
    one.mine === other.mine &&
    other.at - one.at < TOGETHER
  );
}
