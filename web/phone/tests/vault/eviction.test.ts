import { expect, test } from "vitest";
import { askToPersist, isPersisted, room } from "../../src/vault/eviction";

/** A browser that grants it, or not, and may not know the question. */
const browser = (grants: boolean, before = false) => {
  let persisted = before;
  let asked = 0;
  return {
    asked: () => asked,
    persisted: async () => persisted,
    persist: async () => {
      asked++;
      persisted ||= grants;
      return persisted;
    },
    estimate: async () => ({ usage: 5, quota: 100 }),
  };
};

test("it is asked for once it is not granted yet", async () => {
  const granting = browser(true);
  expect(await isPersisted(granting)).toBe(false);
  expect(await askToPersist(granting)).toBe(true);
  expect(await askToPersist(granting)).toBe(true);
  expect(granting.asked()).toBe(1);
  expect(await room(granting)).toEqual({ persisted: true, used: 5, quota: 100 });
  expect(await askToPersist(browser(false))).toBe(false);
});

test("a browser that knows nothing of it, or fails, may evict", async () => {
  expect(await askToPersist({})).toBe(false);
  expect(await room({})).toEqual({ persisted: false, used: null, quota: null });
  const failing = {
    ...browser(true),
    persist: () => Promise.reject(new Error()),
    estimate: () => Promise.reject(new Error()),
  };
  expect(await askToPersist(failing)).toBe(false);
  expect((await room(failing)).quota).toBeNull();
});
