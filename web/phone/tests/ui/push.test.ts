/** Pushes on and off, with a browser's push manager in memory and a relay that may be away. */
import { beforeEach, expect, test, vi } from "vitest";
import { Pushes } from "../../src/ui/model/push.ts";
import { toBase64 } from "../../src/wire/api.ts";

const KEY = Uint8Array.from({ length: 65 }, (_, at) => at);

let subscribed: { options: PushSubscriptionOptions } | null;
let told: (string | null)[];
let away: boolean;
let keeps: boolean;
let pushes: Pushes;

function subscription(key: Uint8Array) {
  return {
    options: { applicationServerKey: key.slice().buffer, userVisibleOnly: true },
    toJSON: () => ({ endpoint: "https://push.example/1" }),
    unsubscribe: async () => {
      if (keeps) throw new Error("the browser does not");
      subscribed = null;
      return true;
    },
  };
}

beforeEach(() => {
  [subscribed, told, away, keeps] = [null, [], false, false];
  const pushManager = {
    getSubscription: async () => subscribed,
    subscribe: async ({ applicationServerKey }: { applicationServerKey: Uint8Array }) => {
      subscribed = subscription(applicationServerKey);
      return subscribed;
    },
  };
  vi.stubGlobal("navigator", { serviceWorker: { getRegistration: async () => ({ pushManager }) } });
  pushes = new Pushes({
    pushKey: async () => toBase64(KEY),
    subscribePush: async (given) => {
      if (away) throw new Error("network");
      told.push(given?.endpoint ?? null);
    },
  });
});

const turn = () => new Promise((done) => setTimeout(done, 1));

test("switched off without a network, the browser's ends at once, and the relay hears it once it is there", async () => {
  await pushes.enable();
  expect(told).toEqual(["https://push.example/1"]);
  away = true;
  await pushes.disable();
  expect(subscribed).toBeNull();
  await turn();
  await expect(pushes.online()).rejects.toThrow("network");
  away = false;
  await pushes.online();
  await pushes.online();
  expect(told).toEqual(["https://push.example/1", null]);
});

test("a browser that does not end it is no success, and is asked again at the next start", async () => {
  await pushes.enable();
  keeps = true;
  await expect(pushes.disable()).rejects.toThrow("the browser");
  expect(told).toEqual(["https://push.example/1"]);
  keeps = false;
  await pushes.resume(false);
  await turn();
  expect(subscribed).toBeNull();
  expect(told).toEqual(["https://push.example/1", null]);
});

test("switched on without a network, the relay hears it once it is there", async () => {
  away = true;
  await expect(pushes.enable()).rejects.toThrow("network");
  away = false;
  await pushes.online();
  expect(told).toEqual(["https://push.example/1"]);
});

test("switched on again before the relay heard of the end, the relay hears the last word alone", async () => {
  await pushes.enable();
  away = true;
  await pushes.disable();
  await turn();
  away = false;
  await pushes.enable();
  await pushes.online();
  expect(told).toEqual(["https://push.example/1", "https://push.example/1"]);
});

test("erased, the browser's ends, and nobody is asked or told", async () => {
  await pushes.enable();
  away = true;
  await pushes.end();
  expect(subscribed).toBeNull();
  await pushes.online();
  expect(told).toEqual(["https://push.example/1"]);
});

test("a relay with another key gets a fresh subscription", async () => {
  subscribed = subscription(KEY.map((byte) => byte ^ 1));
  const before = subscribed;
  await pushes.resume(true);
  expect(subscribed).not.toBe(before);
});
