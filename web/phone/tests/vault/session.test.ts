import { beforeEach, expect, test } from "vitest";
import { type Clocks, Session } from "../../src/vault/session";

/** Time that a test moves; timers run when their steady time has come, unless the page sleeps. */
class TestClocks implements Clocks {
  at = { wall: 1_000_000, steady: 0 };
  asleep = false;
  timers = new Map<object, { when: number; call: () => void }>();
  wall = () => this.at.wall;
  steady = () => this.at.steady;
  after = (milliseconds: number, call: () => void) => {
    const timer = {};
    this.timers.set(timer, { when: this.at.steady + milliseconds, call });
    return () => void this.timers.delete(timer);
  };

  pass(seconds: number, { wall = seconds, steady = seconds } = {}): void {
    this.at = { wall: this.at.wall + wall * 1000, steady: this.at.steady + steady * 1000 };
    if (this.asleep) return;
    for (const [timer, { when, call }] of [...this.timers])
      if (when <= this.at.steady && this.timers.delete(timer)) call();
  }
}

let clocks: TestClocks;
let ended: string[];
let session: Session;

const begin = (lockOnHide = false) => {
  clocks = new TestClocks();
  ended = [];
  session = new Session({ idleSeconds: 60, lockOnHide }, clocks);
  session.atLock(() => ended.push("store"));
  session.atLock(() => ended.push("pages"));
};

beforeEach(() => begin());

test("without use it locks, the newest ending first, once", () => {
  clocks.pass(59);
  expect(session.locked).toBe(false);
  clocks.pass(1);
  expect(session.locked).toBe(true);
  expect(ended).toEqual(["pages", "store"]);
  session.lock();
  expect(ended).toHaveLength(2);
  expect(session.touch()).toBe(false);
  session.atLock(() => ended.push("late"));
  expect(ended).toContain("late");
  expect(clocks.timers.size).toBe(0);
});

test("use begins the time anew; to look is no use", () => {
  clocks.pass(50);
  expect(session.touch()).toBe(true);
  clocks.pass(50);
  expect(session.look()).toBe(true);
  clocks.pass(10);
  expect(session.locked).toBe(true);
});

test.each([
  ["the steady clock stands still in sleep", { wall: 61, steady: 0 }],
  ["somebody set the wall clock back", { wall: -9000, steady: 61 }],
])("it locks although %s", (_, passed) => {
  clocks.asleep = true;
  clocks.pass(0, passed);
  expect(session.locked).toBe(false);
  // The first that comes back finds it locked, and is no use of it.
  expect(session.touch()).toBe(false);
  expect(ended).toEqual(["pages", "store"]);
});

test("out of sight it locks where that is asked for, and else keeps its time", () => {
  session.visible(false);
  clocks.asleep = true;
  clocks.pass(59);
  session.visible(true);
  expect(session.locked).toBe(false);
  session.visible(false);
  clocks.pass(60);
  session.visible(true);
  expect(session.locked).toBe(true);
  begin(true);
  session.visible(false);
  expect(session.locked).toBe(true);
});

test("new rules hold at once", () => {
  clocks.pass(30);
  session.setRules({ idleSeconds: 100, lockOnHide: false });
  clocks.pass(60);
  expect(session.locked).toBe(false);
  session.setRules({ idleSeconds: 90, lockOnHide: false });
  expect(session.locked).toBe(true);
});

test("an ending that fails keeps none of the others", () => {
  session.atLock(() => {
    throw new Error("first");
  });
  expect(() => session.lock()).toThrow("first");
  expect(ended).toEqual(["pages", "store"]);
});
