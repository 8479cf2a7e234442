/** What is made ready before the PIN: it runs to its end, asks nobody, and works on nothing that is kept. */
import "fake-indexeddb/auto";
import { expect, test, vi } from "vitest";
import { Access } from "../../src/client/access";
import { reachByBrowser } from "../../src/client/opened";
import { warm } from "../../src/client/warming";
import { Entry } from "../../src/vault/keystore";
import { concat } from "../../src/wire/bytes";
import { Profile } from "../vault/service";

const HERE = { host: "relay.example", port: 443, pin: null };

test("warming runs what unlocking runs, and opens no secret", async () => {
  const profile = await Profile.make();
  await profile.setPin("480297");
  const secret = vi.spyOn(Entry.prototype, "r");
  const reach = vi.fn(reachByBrowser);
  const access = new Access(profile.keeping, reach, HERE);
  await access.warm();
  expect(secret).not.toHaveBeenCalled();
  expect(reach).not.toHaveBeenCalled();
  expect(profile.service.guesses).toBe(0);
  await expect(warm(new Uint8Array(3))).rejects.toMatchObject({ code: "unlock.malformed" });
});

test("a challenge that was asked for early is used once, and asked for again where it did not come", async () => {
  const profile = await Profile.make();
  await profile.setPin("480297");
  let asked = 0;
  let here = true;
  const fetch = async (url: string | URL | Request): Promise<Response> => {
    if (!here) throw new TypeError("no network");
    if (String(url).endsWith("/challenge")) asked++;
    const challenge = btoa(
      String.fromCharCode(...concat(new Uint8Array(31), new Uint8Array([asked]))),
    )
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replaceAll("=", "");
    return new Response(JSON.stringify({ challenge }));
  };
  const net = { ...reachByBrowser(HERE), fetch: fetch as typeof globalThis.fetch };
  const guessed: number[] = [];
  const access = new Access(profile.keeping, () => net, HERE);
  const guess = async (): Promise<void> => {
    const before = asked;
    await access.unlock("480297", () => {}).catch(() => {});
    guessed.push(asked - before);
  };
  await access.expect();
  await access.expect();
  expect(asked).toBe(1);
  await guess();
  await guess();
  here = false;
  await access.expect();
  here = true;
  await guess();
  // The first had its challenge already.
  expect(guessed).toEqual([0, 1, 1]);
});
