import { writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Bytes, fromHex, toHex } from "../../src/wire/bytes";
import { byDevice, byOwner, decodeAnswer } from "../../src/wire/fleet";
import * as orders from "../../src/wire/orders";
import { sealRegister } from "../../src/wire/registers";
import { checkChain, type Roster, type SignedRoster } from "../../src/wire/rosters";
import { agreeOn, type Case, loadCases, plain, unplain, type Verdict, verdict } from "./cases";

interface Signed extends Verdict {
  signed: unknown;
  roster: unknown;
  identity: string;
  device: string;
  unlock: string | null;
}

const SERVER = "relay.example";
const [LINE, DEVICE] = ["L", "D"].map((letter) =>
  new Uint8Array(16).fill(letter.charCodeAt(0)),
) as [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];
const all = loadCases();
const given = (all?.fleet ?? {}) as Record<string, unknown>;

function signed(name: string): Signed[] {
  return (all?.[name] ?? []) as Signed[];
}

describe.skipIf(all === null)("judged as Python judges", () => {
  test("chains of rosters", () =>
    agreeOn((all?.chains ?? []) as (Verdict & { rosters: unknown })[], (one) => {
      const found = checkChain(
        unplain<SignedRoster[]>(one.rosters),
        fromHex(all?.fleetKey as string),
      );
      return [found.roster, found.hashes];
    }));

  test("orders of officers", () =>
    agreeOn(signed("officersOrders"), (one) => {
      const roster = unplain<Roster>(one.roster);
      const found = orders.checkOfficersOrder(unplain(one.signed), roster, SERVER);
      return [
        found.order,
        found.officers,
        orders.isComplete(found),
        orders.enoughOfficers(found, roster),
        orders.covers(found.order, LINE, DEVICE),
      ];
    }));

  test("orders of owners", () =>
    agreeOn(
      signed("ownersOrders"),
      (one) =>
        orders.checkOwnersOrder(unplain(one.signed), LINE, fromHex(one.identity), SERVER).order,
    ));

  test("receipts", () =>
    agreeOn(signed("receipts"), (one) => {
      const unlock = one.unlock === null ? null : fromHex(one.unlock);
      return orders.checkReceipt(unplain(one.signed), fromHex(one.device), unlock);
    }));

  test("answers about orders", () =>
    agreeOn((all?.fleetAnswers ?? []) as Case[], (one) => decodeAnswer(fromHex(one.data))));
});

describe.skipIf(all === null)("the same bytes as Python's", () => {
  const identity = () => fromHex(given.identity as string);
  const unlock = () => fromHex(given.unlock as string);

  test("an owner's order", () => {
    const made = orders.signAsOwner(unplain(given.order), identity());
    expect(plain(made)).toEqual(given.signedOrder);
    expect(made.body.length).toBeGreaterThan(100);
  });

  test("an officer's policy: what says nothing new is left out", () => {
    const cases = all?.policies as { order: unknown; signed: unknown }[];
    for (const { order, signed: wanted } of cases) {
      // The keys and the officer of tests/web/fleets.py.
      const [fleet, key, officer] = [1, 2, 2].map((one) => new Uint8Array(32).fill(one)) as [
        Bytes,
        Bytes,
        Bytes,
      ];
      const made = orders.signAsOfficer(unplain(order), fleet, officer.slice(0, 16), key);
      expect(plain(made)).toEqual(wanted);
    }
    expect(cases.length).toBeGreaterThan(5);
  });

  test("a reason's digest", () => {
    const digest = orders.reasonDigest(unplain(given.reason));
    expect(plain(digest)).toEqual((given.order as { reason_digest: unknown }).reason_digest);
  });

  test("a receipt", () => {
    const order = new Uint8Array(16).fill("i".charCodeAt(0));
    const receipt: orders.Receipt = {
      version: 1,
      order,
      device: DEVICE,
      outcome: "erased",
      at: 5,
    };
    expect(plain(orders.signReceipt(receipt, "unlock", unlock()))).toEqual(given.receipt);
  });

  test("what is asked", () => {
    const give = unplain<{ order: orders.SignedOrder; reason: orders.Reason; conversations: [] }>(
      given.give,
    );
    const receipt = unplain<orders.SignedReceipt>(given.receipt);
    const asked = [
      byOwner(SERVER, LINE, identity(), 7, { t: "give", ...give }),
      byOwner(SERVER, LINE, identity(), 0, { t: "status", order: null }),
      byDevice(SERVER, DEVICE, "unlock", unlock(), 5, { t: "report", receipt }),
      byDevice(SERVER, DEVICE, "device", unlock(), 0, { t: "waiting" }),
    ];
    expect(asked.map(toHex)).toEqual([given.byOwner, given.status, given.byDevice, given.waiting]);
  });

  test("what vouches for an unlock key", () => {
    const { unlock_key } = given as { unlock_key: string };
    expect(toHex(orders.unlockKeyBytes(DEVICE, fromHex(unlock_key)))).toBe(given.vouched);
  });
});

test.skipIf(all === null)("a register goes to Python", async () => {
  const places = [0, 1, 300].map((leaf) => ({
    group: new Uint8Array(16).fill(leaf % 256),
    leaf,
    sender: leaf % 2,
  }));
  const sealed = await sealRegister(fromHex(all?.sealKey as string), DEVICE, places);
  const file = process.env.CHAPPE_REGISTER;
  if (file !== undefined) {
    writeFileSync(file, JSON.stringify({ sealed: toHex(sealed), places: plain(places) }));
  }
  expect(sealed.length).toBe(1120 + 1024 + 16);
  await expect(verdict(() => sealRegister(DEVICE, DEVICE, places))).resolves.toEqual({
    error: "roster.invalid",
  });
});
