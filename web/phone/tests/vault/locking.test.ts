/// <reference types="node" />

import "fake-indexeddb/auto";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { lookOffline } from "../../src/vault/hours";
import { changePin, unlock } from "../../src/vault/locking";
import { POLICY } from "../../src/vault/vault";
import { randomBytes, toHex } from "../../src/wire/bytes";
import { bytesOf, dump, restore } from "./raw";
import { Profile } from "./service";

const [PIN, OTHER] = ["480297", "903761"];
const HOURS = { ...POLICY, offlineHours: 8 };
let profile: Profile;

beforeEach(async () => {
  profile = await Profile.make();
});

const open = async (pin: string) => {
  const { key, until } = await unlock(profile.keeping, pin, profile.service, profile.circumstances);
  expect(toHex(key)).toBe(toHex(profile.key));
  return until;
};
const refused = (pin: string, code: string) => expect(open(pin)).rejects.toMatchObject({ code });
const later = (seconds: number, { wall = true, run = profile.moment.run } = {}) => {
  const { moment } = profile;
  profile.moment = {
    wall: moment.wall + (wall ? seconds : 0),
    run,
    up: run === moment.run ? moment.up + seconds : 1,
  };
};

describe("a PIN", () => {
  test("until it is set the key lies under the keystore alone, then not at all", async () => {
    expect(toHex(await profile.keeping.plainKey())).toBe(toHex(profile.key));
    await profile.setPin(PIN);
    await expect(profile.keeping.plainKey()).rejects.toMatchObject({ code: "vault.locked" });
    expect((await profile.keeping.shelf.read()).key).toBeNull();
    expect(await open(PIN)).toBeNull();
    await refused(OTHER, "vault.wrong_pin");
    await expect(profile.keeping.keepPlain(randomBytes(32))).rejects.toMatchObject({
      code: "storage.exists",
    });
  });

  test("a weak one is refused before anything is made", async () => {
    const before = bytesOf(await dump(profile.name));
    await expect(profile.setPin("123456")).rejects.toMatchObject({ code: "vault.weak_pin" });
    expect(bytesOf(await dump(profile.name)).equals(before)).toBe(true);
  });

  test("whose challenge is too old asks for another, once", async () => {
    await profile.setPin(PIN);
    profile.service.stale = 1;
    expect(await open(PIN)).toBeNull();
    expect(profile.service.guesses).toBe(1);
    profile.service.stale = 2;
    await refused(PIN, "unlock.bad_challenge");
    expect(profile.service.guesses).toBe(1);
  });

  test("that changes takes the old one's entry with it", async () => {
    await profile.setPin(PIN);
    const pins = { old: PIN, next: OTHER };
    const change = (minDigits?: number) =>
      changePin(
        profile.keeping,
        pins,
        "ada@relay.example",
        profile.service,
        profile.service.enroller,
        { ...profile.circumstances, minDigits },
      );
    // What the organisation asks for comes before the old one is tried.
    const tries = profile.service.guesses;
    await expect(change(OTHER.length + 1)).rejects.toMatchObject({ code: "vault.weak_pin" });
    expect(profile.service.guesses).toBe(tries);
    await change();
    await expect(change()).rejects.toMatchObject({ code: "vault.wrong_pin" });
    await open(OTHER);
    expect((await profile.keeping.shelf.read()).entries).toHaveLength(1);
  });

  test("whose answer is lost leaves both, until one has opened", async () => {
    await profile.setPin(PIN);
    const lost = async () => {
      throw Object.assign(new Error("lost"), { code: "network.timeout" });
    };
    await expect(profile.setPin(OTHER, POLICY, lost)).rejects.toThrow("lost");
    expect((await profile.keeping.shelf.read()).entries).toHaveLength(2);
    await open(PIN);
    expect((await profile.keeping.shelf.read()).entries).toHaveLength(1);
    const taken = async (prepared: Parameters<typeof profile.service.enroller>[0]) => {
      await profile.service.enroller(prepared);
      await lost();
    };
    await expect(profile.setPin(OTHER, POLICY, taken)).rejects.toThrow("lost");
    const told = await open(PIN).catch((problem) => problem);
    expect(told).toMatchObject({ code: "vault.wrong_pin" });
    expect(told.message).toContain("set last");
    await open(OTHER);
    const state = await profile.keeping.shelf.read();
    expect([state.entries.length, state.pending.length]).toEqual([1, 0]);
  });

  test("is not set without end", async () => {
    await profile.setPin(PIN);
    const lost = async () => {
      throw new Error("lost");
    };
    for (let i = 0; i < 8; i++)
      await expect(profile.setPin(OTHER, POLICY, lost)).rejects.toThrow("lost");
    await expect(profile.setPin(OTHER, POLICY, lost)).rejects.toMatchObject({
      code: "unlock.unavailable",
    });
    await open(PIN);
  });
});

describe("what lies in the database", () => {
  test("is no key and no PIN, and a copy of another profile's record is refused", async () => {
    await profile.setPin(PIN, HOURS);
    await open(PIN);
    const all = bytesOf(await dump(profile.name));
    for (const secret of [Buffer.from(profile.key), Buffer.from(PIN)])
      expect(all.includes(secret)).toBe(false);
    const state = await profile.keeping.shelf.read();
    for (const { sealing, signing } of state.entries)
      for (const one of [sealing, signing] as CryptoKey[]) {
        expect(one.extractable).toBe(false);
        await expect(crypto.subtle.exportKey("raw", one)).rejects.toThrow();
      }
    const other = await Profile.make();
    await other.setPin(PIN);
    const foreign = (await other.keeping.shelf.read()).vault;
    const mine = state.vault;
    await profile.keeping.shelf.change(() => ({
      vault: mine && foreign && { ...mine, sealed: foreign.sealed },
    }));
    await refused(PIN, "storage.failed");
    await profile.keeping.shelf.change(() => ({ vault: foreign }));
    await refused(PIN, "storage.failed");
    await profile.keeping.shelf.change(() => ({ vault: mine }));
    await open(PIN);
  });

  test("of another form is refused", async () => {
    await profile.setPin(PIN);
    const [record] = await dump(profile.name);
    for (const value of [
      7,
      null,
      "state",
      { entries: [] },
      { ...(record?.value as object), vault: {} },
    ]) {
      await restore(profile.name, [{ store: "kept", key: "state", value }]);
      await refused(PIN, "storage.failed");
    }
  });
});

describe("a relay that lies", () => {
  test("a wrong share is its fault; nothing is erased", async () => {
    await profile.setPin(PIN);
    const before = bytesOf(await dump(profile.name));
    profile.service.lie = () => randomBytes(32);
    await refused(PIN, "vault.bad_share");
    expect(bytesOf(await dump(profile.name)).equals(before)).toBe(true);
    profile.service.lie = (share) => share;
    await open(PIN);
  });

  test.each(["vault.destroyed", "vault.wrong_pin"])(
    "its own word for %s is nobody's",
    async (code) => {
      await profile.setPin(PIN, HOURS);
      await open(PIN);
      const { ChappeError } = await import("../../src/wire/errors");
      const spy = vi
        .spyOn(profile.service, "guess")
        .mockRejectedValue(new ChappeError(code as "vault.wait"));
      await refused(PIN, "unlock.malformed");
      spy.mockRestore();
      expect((await profile.keeping.shelf.read()).offline).not.toBeNull();
    },
  );

  test("an answer that is none", async () => {
    await profile.setPin(PIN);
    for (const length of [0, 143, 144, 145]) {
      const spy = vi.spyOn(profile.service, "guess").mockResolvedValue(randomBytes(length));
      await refused(PIN, "unlock.malformed");
      spy.mockRestore();
    }
    const spy = vi.spyOn(profile.service, "challenge").mockResolvedValue(randomBytes(31));
    await refused(PIN, "unlock.malformed");
    spy.mockRestore();
  });
});

describe("hours without the relay", () => {
  beforeEach(async () => {
    await profile.setPin(PIN, HOURS);
  });

  test("none before the relay has opened it once; then as many as the policy says", async () => {
    profile.service.away = true;
    await refused(PIN, "network.unreachable");
    profile.service.away = false;
    await open(PIN);
    profile.service.away = true;
    later(7 * 3600);
    expect(await open(PIN)).toBe(1_800_000_000 + 8 * 3600);
    later(3601);
    await refused(PIN, "network.unreachable");
    expect((await profile.keeping.shelf.read()).offline).toBeNull();
  });

  test("none where the policy has none, and a smaller one takes the copy away", async () => {
    await open(PIN);
    await profile.keeping.setPolicy({ ...HOURS, offlineHours: 4 });
    expect((await profile.keeping.shelf.read()).offline).toBeNull();
    await profile.keeping.setPolicy(POLICY);
    await open(PIN);
    expect((await profile.keeping.shelf.read()).offline).toBeNull();
  });

  test("five wrong PINs, also in parallel, and the copy is gone; a right one brings them back", async () => {
    await open(PIN);
    profile.service.away = true;
    for (let i = 0; i < 4; i++) await refused(OTHER, "vault.wrong_pin");
    await open(PIN);
    const all = await Promise.allSettled(Array.from({ length: 8 }, () => open(OTHER)));
    const codes = all.map((one) => one.status === "rejected" && one.reason.code);
    expect(codes.filter((code) => code === "vault.wrong_pin")).toHaveLength(5);
    expect(codes.filter((code) => code === "network.unreachable")).toHaveLength(3);
    await refused(PIN, "network.unreachable");
  });

  test("a clock that goes back is noticed: in one run by that, in another by the latest look", async () => {
    await open(PIN);
    profile.service.away = true;
    later(9 * 3600, { wall: false });
    await refused(PIN, "network.unreachable");
    profile.service.away = false;
    await open(PIN);
    profile.service.away = true;
    later(3600);
    await lookOffline(profile.keeping, profile.moment);
    later(-3000, { run: "two" });
    await refused(PIN, "vault.clock");
    later(2900);
    await open(PIN);
  });

  test("a destroyed share takes the copy along", async () => {
    await open(PIN);
    profile.service.gone = true;
    await refused(PIN, "vault.destroyed");
    expect((await profile.keeping.shelf.read()).offline).toBeNull();
  });
});
