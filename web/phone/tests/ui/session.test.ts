/** What the page keeps and tells: nothing after locking, whatever the order of events; looking is no use of it. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import type {
  Bounds,
  Conversation,
  Event,
  PhoneFace,
  Settings,
  Stage,
} from "../../src/client/face.ts";
import { type Heard, PATIENCE } from "../../src/sw/push.ts";
import { Route } from "../../src/ui/model/route.svelte.ts";
import { Session } from "../../src/ui/model/session.svelte.ts";

/** The browser's history, as far as a route uses it: what is in it, a browser writes to its files. */
class History {
  entries: unknown[] = [null];
  at = 0;
  pop: (event: { state: unknown }) => void = () => {};

  replaceState(state: unknown): void {
    this.entries[this.at] = state;
  }
  pushState(state: unknown): void {
    this.entries = [...this.entries.slice(0, ++this.at), state];
  }
  back(): void {
    this.at -= 1;
    this.pop({ state: this.entries[this.at] });
  }
}

let history: History;

beforeEach(() => {
  history = new History();
  vi.stubGlobal("history", history);
  vi.stubGlobal("document", { visibilityState: "hidden" });
  vi.stubGlobal("window", {
    addEventListener: (_: string, listener: History["pop"]) => {
      history.pop = listener;
    },
    setTimeout,
    clearTimeout,
  });
});

/** A phone that answers when it is told to. */
function slow(stage: Stage, lockOnHide = false) {
  let hear: (event: Event) => void = () => {};
  let answer: (held: boolean) => void = () => {};
  const calls: string[] = [];
  const face = {
    listen: async (listener: (event: Event) => void) => {
      hear = listener;
      return () => {};
    },
    stage: async () => stage,
    me: async () => ({ address: "ada@a.example" }),
    conversations: async () => [{ id: "c1", name: "secret", at: 1, unread: 0 } as Conversation],
    contacts: async () => [],
    settings: async () => ({ lockOnHide }),
    bounds: async () => null,
    term: async () => ({ stage: "grace", ends: 1, suspends: 2, closes: 3, forgotten: 4 }),
    transparency: async () => null,
    persisted: () =>
      new Promise<boolean>((done) => {
        answer = done;
      }),
    lock: async () => calls.push("lock"),
    touch: async () => calls.push("touch"),
    visible: async (seen: boolean) => calls.push(`visible ${seen}`),
    knocked: async () => {
      calls.push("knocked");
      return "read" as const;
    },
  };
  const session = new Session(face as unknown as PhoneFace, (callback) => callback);
  return { session, calls, hear: (event: Event) => hear(event), answer: () => answer(true) };
}

const turn = () => new Promise((done) => setTimeout(done, 5));

test("a phone that locks while the page still loads leaves nothing in the page", async () => {
  const { session, hear, answer } = slow("open");
  const starting = session.start();
  await turn();
  hear({ type: "stage", stage: "locked" });
  answer();
  await starting;
  await turn();
  expect(session.stage).toBe("locked");
  expect([...session.conversations.keys()]).toEqual([]);
  expect(session.me).toBeNull();
});

test("what comes once the phone is locked is not kept", async () => {
  const { session, hear } = slow("locked");
  await session.start();
  const conversation = { id: "c1", name: "secret", at: 1, unread: 0 } as Conversation;
  hear({ type: "conversation", conversation });
  hear({
    type: "contact",
    contact: { address: "b@a.example", verified: false, changed: false, identity: "b" },
  });
  expect(session.conversations.size + session.contacts.size).toBe(0);
});

test("the phone hears that the page is out of sight and back; a knock is no use of it", async () => {
  const { session, calls, answer } = slow("open");
  const starting = session.start();
  await turn();
  answer();
  await starting;
  session.visible(false);
  expect(session.conversations.size).toBe(1);
  session.visible(true);
  const heard: Heard[] = [];
  await session.knocked((one) => heard.push(one));
  expect(calls).toEqual(["visible false", "visible true", "knocked"]);
  expect(heard).toEqual([
    { type: "here", open: true, seen: false },
    { type: "done", open: true, seen: false, read: true, notices: 0 },
  ]);
  expect(session.notices.late).toBe(false);
  session.phone.knocked = async () => "late";
  await session.knocked((one) => heard.push(one));
  expect(heard.at(-1)).toEqual({ type: "done", open: true, seen: false, read: false, notices: 0 });
  expect(session.notices.late).toBe(true);
  // What was read after the worker had given up takes the place of its notice, too.
  session.notices.late = false;
  let time = 0;
  vi.spyOn(performance, "now").mockImplementation(() => (time += PATIENCE.done + 1));
  session.phone.knocked = async () => "read";
  await session.knocked((one) => heard.push(one));
  expect(heard.at(-1)).toEqual({ type: "done", open: true, seen: false, read: true, notices: 0 });
  expect(session.notices.late).toBe(true);
  vi.restoreAllMocks();
});

test("a phone that is locked says so to a knock at once, and one that locks by it, too", async () => {
  const { session, calls, answer, hear } = slow("locked");
  await session.start();
  const heard: Heard[] = [];
  await session.knocked((one) => heard.push(one));
  expect(heard).toEqual([{ type: "here", open: false, seen: false }]);
  expect(calls).toEqual([]);
  session.stage = "erased";
  await session.knocked((one) => heard.push(one));
  expect(heard.at(-1)).toEqual({ type: "here", open: false, seen: false, erased: true });
  session.stage = "locked";
  hear({ type: "stage", stage: "open" });
  await turn();
  answer();
  await turn();
  session.phone.knocked = async () => "locked";
  await session.knocked((one) => heard.push(one));
  expect(heard.at(-1)).toEqual({ type: "done", open: false, seen: false, read: false, notices: 0 });
});

test("a phone that locks while a knock is read leaves nothing in the page, and says that it is locked", async () => {
  const { session, answer, hear } = slow("open");
  const starting = session.start();
  await turn();
  answer();
  await starting;
  const held = await session.phone.conversations();
  session.phone.conversations = async () => {
    hear({ type: "stage", stage: "locked" });
    return held;
  };
  const heard: Heard[] = [];
  await session.knocked((one) => heard.push(one));
  expect(session.stage).toBe("locked");
  expect(session.conversations.size).toBe(0);
  // Else the worker would leave what names somebody where it is.
  expect(heard.at(-1)).toEqual({ type: "done", open: false, seen: false, read: false, notices: 0 });
});

test("out of sight, what is to lock is gone from the page before anything else happens", async () => {
  const { session, calls, answer } = slow("open", true);
  const starting = session.start();
  await turn();
  answer();
  await starting;
  session.visible(false);
  // A browser may stop the page at once: a picture of it shows nothing.
  expect(session.stage).toBe("locked");
  expect(session.conversations.size).toBe(0);
  await turn();
  expect(calls).toEqual(["lock"]);
});

test("an order that asks for it makes the page lock out of sight", async () => {
  const { session, calls, hear, answer } = slow("open");
  const starting = session.start();
  await turn();
  answer();
  await starting;
  const bounds: Bounds = {
    idleSeconds: 60,
    offlineHours: 0,
    pinLength: 6,
    lockOnHide: true,
    disappearFirst: 0,
    disappearMax: 0,
    receipts: "free",
  };
  hear({ type: "settings", settings: { lockOnHide: true } as Settings, bounds });
  expect(session.bounds).toEqual(bounds);
  session.visible(false);
  expect(session.stage).toBe("locked");
  expect(session.bounds).toBeNull();
  await turn();
  expect(calls).toEqual(["lock"]);
});

describe("going about", () => {
  test("leaves no address and no conversation in the browser's history", () => {
    const route = new Route();
    route.go({ name: "chat", id: "00c0ffee" });
    route.go({ name: "verify", id: "00c0ffee", address: "ben@a.example" });
    expect(JSON.stringify(history.entries)).not.toMatch(/c0ffee|ben|verify/);
    history.back();
    expect(route.view).toEqual({ name: "chat", id: "00c0ffee" });
    history.back();
    expect(route.view).toEqual({ name: "list" });
  });

  test("goes nowhere of before once it was locked", () => {
    const route = new Route();
    route.go({ name: "chat", id: "00c0ffee" });
    route.go({ name: "settings" });
    route.reset();
    history.back();
    expect(route.view).toEqual({ name: "list" });
  });
});
