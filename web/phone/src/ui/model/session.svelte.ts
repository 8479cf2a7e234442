/** What the pages know of the phone: asked for once, then kept true by its events. */
import { getContext, setContext, tick } from "svelte";
import { SvelteMap } from "svelte/reactivity";
import type {
  Bounds,
  Contact,
  Conversation,
  Event,
  Me,
  Message,
  PhoneFace,
  Settings,
  Stage,
  Term,
  Transparency,
} from "../../client/face.ts";
import { type Heard, PATIENCE } from "../../sw/push.ts";
import { explain, explainCode } from "./errors.ts";
import { Notices } from "./notices.ts";
import { Pushes } from "./push.ts";
import { version } from "./release.svelte.ts";
import { Route } from "./route.svelte.ts";

type Listener = (event: Event) => void;

const KEY = Symbol("session");
const TOUCH_MS = 5_000;

/** `wrap` makes a function callable from the worker (Comlink.proxy). */
export type Wrap = <T extends (...args: never[]) => void>(callback: T) => T;

export class Session {
  stage = $state<Stage | "starting">("starting");
  me = $state.raw<Me | null>(null);
  online = $state(true);
  settings = $state.raw<Settings | null>(null);
  /** What the organisation allows; null where it bounds nothing. */
  bounds = $state.raw<Bounds | null>(null);
  persisted = $state(true);
  /** Of the line; null where it has none. */
  term = $state.raw<Term | null>(null);
  /** The relay's transparency log, as the phone has read it. */
  transparency = $state.raw<Transparency | null>(null);
  conversations = new SvelteMap<string, Conversation>();
  contacts = new SvelteMap<string, Contact>();
  /** Conversation id to who is typing there, each until when. */
  typing = new SvelteMap<string, { address: string; until: number }[]>();
  toast = $state("");
  route = new Route();
  readonly pushes: Pushes;
  readonly notices = new Notices();

  sorted = $derived([...this.conversations.values()].sort((a, b) => b.at - a.at));
  unread = $derived(this.sorted.reduce((sum, one) => sum + (one.muted ? 0 : one.unread), 0));

  /** The line does not sign in: being offline is no fault of the network. */
  outOfTerm = $derived(this.term?.stage === "suspended" || this.term?.stage === "closed");

  #listeners = new Set<Listener>();
  /** Grows with each stage: what was asked for in an earlier one is not taken any more. */
  #stages = 0;
  /** Whether what is heard is kept: from opening to locking. */
  #keeps = false;
  #touched = 0;
  #toastTimer = 0;

  constructor(
    readonly phone: PhoneFace,
    readonly wrap: Wrap,
  ) {
    this.pushes = new Pushes(phone);
  }

  async start(): Promise<void> {
    await this.phone.listen(this.wrap((event: Event) => this.#hear(event)));
    await this.#enter(await this.phone.stage());
  }

  /** A person did something; told to the worker now and then, so that it does not lock. */
  touch(): void {
    const now = Date.now();
    if (this.stage !== "open" || now - this.#touched < TOUCH_MS) return;
    this.#touched = now;
    this.phone.touch().catch(() => {});
  }

  /** Told to the page for certain, and to a worker by some browsers only. */
  network(present: boolean): void {
    this.phone.network(present).catch(() => {});
  }

  /** The page went out of sight, or came back: the phone may lock now. */
  visible(seen: boolean): void {
    if (this.stage !== "open") return;
    if (seen) this.notices.looked();
    if (!seen && this.settings?.lockOnHide) this.#lockNow();
    else this.phone.visible(seen).catch(() => {});
  }

  /** The page first, which a browser may stop at any moment; the phone once what was being written is kept. */
  #lockNow(): void {
    this.#stages += 1;
    this.#keeps = false;
    this.#forget();
    this.stage = "locked";
    tick()
      .then(() => this.phone.lock())
      .catch(() => {});
  }

  /** Something waits at the relay, it says. Nobody did anything: idle time goes on. */
  async knocked(tell: (heard: Heard) => void): Promise<void> {
    const open = this.stage === "open";
    const erased = this.stage === "erased" ? { erased: true } : {};
    tell({ type: "here", open, seen: document.visibilityState === "visible", ...erased });
    if (!open) return;
    const { raised, refused } = this.notices;
    const turn = this.#stages;
    const began = performance.now();
    const came = await this.phone.knocked();
    // The events of what was read may come after this answer.
    const now = came === "locked" ? [] : await this.phone.conversations().catch(() => []);
    // It may have locked at any of this: then nothing is kept, whoever has it still.
    const still = came !== "locked" && turn === this.#stages;
    if (still) for (const one of now) this.#keepConversation(one);
    await this.notices.settled();
    const notices = this.notices.raised - raised;
    const read = still && came === "read" && this.notices.refused === refused;
    const seen = document.visibilityState === "visible";
    // The worker waits no longer, or will not: it says that something came.
    const gaveUp = performance.now() - began > PATIENCE.done;
    if (gaveUp && (notices > 0 || seen)) this.notices.looked();
    else if (gaveUp || (came === "late" && notices === 0)) this.notices.late = true;
    tell({ type: "done", open: still, seen, read, notices });
  }

  /** Somebody pressed a notice: to its conversation, which none has once the phone was locked. */
  opened(tag: string): void {
    const id = this.notices.conversationOf(tag);
    if (this.stage === "open" && id !== undefined && this.conversations.has(id))
      this.route.go({ name: "chat", id });
  }

  /** Switched on or off by a person, who is asked by the browser then. Gives what there is to say of it. */
  async notify(on: boolean): Promise<"" | "denied"> {
    if (!on) {
      // While the browser stays subscribed, nothing says that it is off.
      if (await this.attempt(this.pushes.disable().then(() => true)))
        await this.saveSettings({ notifications: false });
    } else if ((await Notification.requestPermission()) !== "granted") return "denied";
    else {
      await this.saveSettings({ notifications: true });
      await this.attempt(this.pushes.enable());
    }
    this.notices.clear(true);
    return "";
  }

  /** Whether the person and the browser want notices. */
  get notified(): boolean {
    return this.settings?.notifications === true && isAllowed();
  }

  /** For views that follow more than this class keeps. Gives what ends it. */
  follow(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  conversation(id: string): Conversation | undefined {
    return this.conversations.get(id);
  }

  changed(conversation: Conversation): string[] {
    return conversation.members.filter((address) => this.contacts.get(address)?.changed);
  }

  say(text: string): void {
    this.toast = text;
    window.clearTimeout(this.#toastTimer);
    this.#toastTimer = window.setTimeout(() => {
      this.toast = "";
    }, 5_000);
  }

  /** Do it, and tell the person if it fails. Gives undefined then. */
  async attempt<T>(doing: Promise<T>): Promise<T | undefined> {
    try {
      return await doing;
    } catch (problem) {
      this.say(explain(problem));
      return undefined;
    }
  }

  async saveSettings(change: Partial<Settings>): Promise<void> {
    if (this.settings === null) return;
    const before = this.settings;
    this.settings = { ...before, ...change };
    if ((await this.attempt(this.phone.saveSettings(this.settings).then(() => true))) === undefined)
      this.settings = before;
  }

  async #enter(stage: Stage): Promise<void> {
    const turn = ++this.#stages;
    this.#keeps = stage === "open";
    if (stage === "erased") this.#unring();
    if (!this.#keeps) this.#forget();
    else if (!(await this.#load(turn))) return;
    this.stage = stage;
  }

  /** An erased phone shows nothing and is rung for by nobody, where the browser lets it. */
  #unring(): void {
    this.notices.clear(true);
    this.pushes.end().catch(() => undefined);
  }

  /** False, and nothing is kept, if the phone went to another stage meanwhile. */
  async #load(turn: number): Promise<boolean> {
    const [me, conversations, contacts, settings, bounds, persisted, term, log] = await Promise.all(
      [
        this.phone.me(),
        this.phone.conversations(),
        this.phone.contacts(),
        this.phone.settings(),
        this.phone.bounds(),
        this.phone.persisted(),
        this.phone.term(),
        this.phone.transparency(),
      ],
    );
    if (turn !== this.#stages) return false;
    this.me = me;
    this.settings = settings;
    this.bounds = bounds;
    this.persisted = persisted;
    this.term = term;
    this.transparency = log;
    version.onRelease = (digest) => {
      if (this.#keeps) this.phone.runs(digest).catch(() => {});
    };
    for (const one of conversations) this.conversations.set(one.id, one);
    for (const one of contacts) this.contacts.set(one.address, one);
    this.notices.clear(true);
    this.pushes.resume(this.notified).catch(() => undefined);
    return true;
  }

  /** Nothing that was read stays in the page after locking. */
  #forget(): void {
    this.me = null;
    this.conversations.clear();
    this.contacts.clear();
    this.typing.clear();
    this.settings = null;
    this.bounds = null;
    this.term = null;
    this.transparency = null;
    this.toast = "";
    this.route.reset();
    this.notices.clear(false);
  }

  #hear(event: Event): void {
    switch (event.type) {
      case "stage":
        this.#enter(event.stage).catch((problem) => this.say(explain(problem)));
        break;
      case "online":
        this.online = event.online;
        if (event.online) this.pushes.online().catch(() => undefined);
        break;
      case "failed":
        this.say(explainCode(event.code));
        break;
      default:
        if (this.#keeps) this.#keep(event);
    }
    for (const listener of this.#listeners) listener(event);
  }

  #keep(event: Event): void {
    switch (event.type) {
      case "conversation":
        this.#keepConversation(event.conversation);
        break;
      case "conversationGone":
        this.conversations.delete(event.id);
        this.notices.close(event.id);
        if (this.route.chat === event.id) this.route.reset();
        break;
      case "contact":
        this.contacts.set(event.contact.address, event.contact);
        break;
      case "settings":
        this.settings = event.settings;
        this.bounds = event.bounds;
        break;
      case "transparency":
        this.transparency = event.transparency;
        break;
      case "term":
        this.term = event.term;
        break;
      case "typing":
        this.#typing(event.conversation, event.address, event.until);
        break;
      case "message":
        this.#stopTyping(event.message);
        break;
    }
  }

  #keepConversation(now: Conversation): void {
    const before = this.conversations.get(now.id)?.unread ?? 0;
    this.conversations.set(now.id, now);
    const { settings, me } = this;
    const seen = document.visibilityState === "visible";
    if (settings !== null && me !== null && this.notified)
      this.notices.take(now, before, me.address, settings.notices, seen);
  }

  #typing(conversation: string, address: string, until: number): void {
    const others = (this.typing.get(conversation) ?? []).filter((one) => one.address !== address);
    const left = until - Date.now() / 1000;
    this.typing.set(conversation, left > 0 ? [...others, { address, until }] : others);
    if (left > 0) window.setTimeout(() => this.#tidy(conversation), left * 1000 + 50);
  }

  #tidy(conversation: string): void {
    const now = Date.now() / 1000;
    const still = (this.typing.get(conversation) ?? []).filter((one) => one.until > now);
    this.typing.set(conversation, still);
  }

  #stopTyping(message: Message): void {
    const now = this.typing.get(message.conversation);
    if (now?.some((one) => one.address === message.from))
      this.typing.set(
        message.conversation,
        now.filter((one) => one.address !== message.from),
      );
  }
}

function isAllowed(): boolean {
  return globalThis.Notification?.permission === "granted";
}

export function provide(session: Session): void {
  setContext(KEY, session);
}

export function useSession(): Session {
  return getContext<Session>(KEY);
}
