/**
 * Notices of the system for what comes while nobody looks at the page. They show what the person allows, and no
 * more: what is in them has left the vault, and the system keeps it as it likes. Which conversation one is of, is
 * known here alone, so that they are worth nothing once the phone is locked.
 */
import type { Conversation, Settings } from "../../client/face.ts";
import { GENERAL, LOOKS } from "../../sw/push.ts";
import { count } from "../i18n/index.svelte.ts";
import { nameOf } from "./format.ts";
import { person, summary } from "./texts.ts";

const MOST_LETTERS = 240;

type Content = Settings["notices"];
type Registration = Pick<ServiceWorkerRegistration, "showNotification" | "getNotifications">;

/** What the browsers know and TypeScript does not: without `renotify` the same tag makes no second sound. */
type Options = NotificationOptions & { renotify: boolean };

interface Shown {
  tag: string;
  title: string;
  body: string;
}

async function registered(): Promise<Registration | undefined> {
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  return container?.getRegistration();
}

export class Notices {
  /** How many were raised since the page began, and how many the browser did not take. */
  raised = 0;
  refused = 0;
  /**
   * What came could not be read in time, so the service worker has said that something did: the next one takes its
   * place. Asked for no more often than that: Chromium forgets a notice that is asked for while it is being raised.
   */
  late = false;
  /** By conversation. */
  #shown = new Map<string, Shown>();
  #tags = new Map<string, string>();
  /** One after the other: the last word on a conversation is the one that stands. */
  #turn: Promise<void> = Promise.resolve();

  constructor(private readonly registration = registered) {}

  /** Until what was asked for stands there. */
  async settled(): Promise<void> {
    await this.#turn;
  }

  /**
   * A conversation as it is now, `before` with so many unread. One that has more is told of, unless somebody looks
   * (`seen`) or it is muted. What stands there follows it: what was taken back, edited or read does not stay.
   */
  take(now: Conversation, before: number, me: string, content: Content, seen: boolean): void {
    const known = this.#shown.get(now.id);
    const news = now.unread > before && !seen;
    if (now.unread === 0 || now.muted) this.close(now.id);
    else if (news || known !== undefined) this.#show(now, this.#say(now, me, content), known, news);
  }

  close(id: string): void {
    const known = this.#shown.get(id);
    this.#shown.delete(id);
    // Where all have the same, it goes with the last.
    if (known && ![...this.#shown.values()].some(({ tag }) => tag === known.tag))
      this.#do((at) => closeAll(at, (tag) => tag === known.tag));
  }

  /** Somebody looks at the open page: the notice without content has nothing to say that it does not. */
  looked(): void {
    this.#do((at) => closeAll(at, (tag) => tag === GENERAL));
  }

  /** Locked, erased, or the page is new: what names anybody goes. `all`: somebody is here, and sees for themselves. */
  clear(all: boolean): void {
    this.#shown.clear();
    this.#tags.clear();
    this.#do((at) => closeAll(at, (tag) => all || tag !== GENERAL));
  }

  /** Which conversation a notice is of; undefined for one without content, or of before. */
  conversationOf(tag: string): string | undefined {
    return [...this.#tags].find(([, known]) => known === tag)?.[0];
  }

  #say(now: Conversation, me: string, content: Content): Shown {
    const more = count("notify.new", now.unread);
    if (content === "nothing")
      return { tag: GENERAL, title: "Chappe", body: count("notify.new", 1) };
    const group = now.kind === "group";
    const told = { tag: this.#tagOf(now.id), title: group ? now.name : nameOf(now.name) };
    const { last } = now;
    if (content === "name" || last === null || last.mine || last.kind === "notice")
      return { ...told, body: more };
    const text = summary(last, me);
    return { ...told, body: clipped(group ? `${person(last.from, me)}: ${text}` : text) };
  }

  #show({ id }: Conversation, next: Shown, known: Shown | undefined, news: boolean): void {
    this.#shown.set(id, next);
    if (!news && known?.title === next.title && known.body === next.body) return;
    const late = news && this.late;
    if (late) this.late = false;
    const { tag, title, body } = next;
    const options: Options = { tag, body, renotify: news, silent: !news, ...LOOKS };
    this.#do(async (at) => {
      // One that a person wiped away does not come back because of an edit.
      if (!news && (await at.getNotifications({ tag })).length === 0) return;
      if (late) await closeAll(at, (other) => other === GENERAL);
      if (news) this.refused += 1;
      await at.showNotification(title, options);
      if (news) [this.raised, this.refused] = [this.raised + 1, this.refused - 1];
    });
  }

  #tagOf(id: string): string {
    const tag = this.#tags.get(id) ?? `${GENERAL}-${crypto.randomUUID()}`;
    this.#tags.set(id, tag);
    return tag;
  }

  /** A browser may refuse a notice: nothing else depends on it. */
  #do(work: (at: Registration) => Promise<void>): void {
    this.#turn = this.#turn
      .then(async () => {
        const at = await this.registration();
        if (at !== undefined) await work(at);
      })
      .catch(() => undefined);
  }
}

async function closeAll(at: Registration, which: (tag: string) => boolean): Promise<void> {
  for (const shown of await at.getNotifications()) if (which(shown.tag)) shown.close();
}

function clipped(text: string): string {
  const letters = [...text];
  return letters.length <= MOST_LETTERS ? text : `${letters.slice(0, MOST_LETTERS).join("")}…`;
}
