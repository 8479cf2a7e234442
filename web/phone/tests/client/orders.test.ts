import { describe, expect, it } from "vitest";
import type { Core } from "../../src/client/core";
import { Obeying } from "../../src/client/obeying";
import { judge, judgeRemoval, type Known, knownOf } from "../../src/client/orders";
import { randomBytes } from "../../src/wire/bytes";
import { fromBytes, issue, toBytes } from "../../src/wire/certificate";
import { ChappeError } from "../../src/wire/errors";
import { type FleetPolicy, type Order, reasonDigest, signAsOwner } from "../../src/wire/orders";

const SERVER = "relay.example";
const identity = randomBytes(32);
const certificate = fromBytes(
  toBytes(
    issue(identity, {
      lineId: randomBytes(16),
      address: `ada@${SERVER}`,
      deviceId: randomBytes(16),
      signatureKey: randomBytes(32),
      fleetKey: new Uint8Array(),
      issuedAt: 1,
    }),
  ),
);
const known: Known = knownOf(certificate, SERVER);
const reason = { text: "left in a taxi", salt: randomBytes(16) };

function order(changes: Partial<Order> = {}): Order {
  return {
    version: 1,
    id: randomBytes(16),
    kind: "erase",
    server: SERVER,
    organisation: new Uint8Array(),
    targets: [{ line: certificate.lineId, device: certificate.deviceId }],
    issued_at: 100,
    reason_digest: reasonDigest(reason),
    policy: null,
    ...changes,
  };
}

const frame = (made: Order, by = identity) => ({
  order: signAsOwner(made, by),
  rosters: [],
  reason,
});

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (problem) {
    if (problem instanceof ChappeError) return problem.code;
    throw problem;
  }
  return "";
}

/** What `Obeying` needs of a phone: its keys, and rows that are kept. */
function keeping(): Core {
  const reports = new Map<string, { order: string }>();
  const signer = { privateKey: randomBytes(32) };
  return {
    me: { certificate, server: SERVER, deviceId: certificate.deviceId, signer },
    meta: async () => undefined,
    setMeta: () => {},
    now: () => 200,
    change: async (make: (tx: unknown) => unknown) => {
      const after: (() => void)[] = [];
      const made = await make({ after: (work: () => void) => after.push(work), fail: () => {} });
      for (const work of after) work();
      return made;
    },
    book: {
      reports: {
        get: (id: string) => reports.get(id),
        put: (_: unknown, row: { order: string }) => reports.set(row.order, row),
        all: () => [...reports.values()],
      },
    },
  } as unknown as Core;
}

it("an order that comes while the phone still opens is carried out once somebody listens", async () => {
  const obeying = await Obeying.open(keeping());
  await obeying.take(frame(order({ kind: "lock", issued_at: 100 })));
  await obeying.take(frame(order({ kind: "erase" })));
  const heard: string[] = [];
  obeying.onOrder = (judged) => heard.push(judged.order.kind);
  expect(heard).toEqual(["lock", "erase"]);
  await obeying.take(frame(order({ kind: "erase" })));
  expect(heard).toEqual(["lock", "erase", "erase"]);
});

it("bounds are known before anything is cut to them", async () => {
  const obeying = await Obeying.open(keeping());
  const seen: unknown[] = [];
  obeying.onBounds = async () => {
    seen.push(obeying.known.bounds, obeying.known.policyAt);
  };
  const policy: FleetPolicy = {
    offline_hours: 0,
    idle_seconds: 60,
    pin_length: 6,
    lock_on_hide: true,
    disappear_default: 0,
    disappear_max: 0,
    receipts: "free",
  };
  // Of an organisation; that its signatures hold is not what this is about.
  const judged = {
    order: order({ kind: "policy", policy }),
    reason: "",
    known: { ...known, bounds: policy, policyAt: 100 },
  };
  await obeying.carryOut(judged);
  expect(seen).toEqual([policy, 0]);
  expect(obeying.known.policyAt).toBe(100);
});

describe("an order of the line's owner", () => {
  it("is obeyed by the device that it names", () => {
    const judged = judge(frame(order()), known);
    expect([judged.order.kind, judged.reason]).toEqual(["erase", "left in a taxi"]);
  });

  it("is refused by another key, server, device and reason", () => {
    expect(codeOf(() => judge(frame(order(), randomBytes(32)), known))).toBe("order.forged");
    expect(codeOf(() => judge(frame(order({ server: "other.example" })), known))).toBe(
      "order.forged",
    );
    const targets = [{ line: certificate.lineId, device: randomBytes(16) }];
    expect(codeOf(() => judge(frame(order({ targets })), known))).toBe("order.not_yours");
    const other = { ...frame(order()), reason: { ...reason, text: "no reason" } };
    expect(codeOf(() => judge(other, known))).toBe("order.forged");
  });

  it("changes nothing in another's signature", () => {
    const signed = frame(order());
    const body = Uint8Array.from(signed.order.body);
    body[body.length - 1] = (body.at(-1) ?? 0) ^ 1;
    const bent = { ...signed, order: { ...signed.order, body } };
    expect(["order.forged", "order.malformed"]).toContain(codeOf(() => judge(bent, known)));
  });

  it("to lock counts once, and no older one after it", () => {
    const locked = judge(frame(order({ kind: "lock", issued_at: 200 })), known);
    expect(locked.known.lockedAt).toBe(200);
    for (const issued_at of [200, 150])
      expect(codeOf(() => judge(frame(order({ kind: "lock", issued_at })), locked.known))).toBe(
        "order.stale",
      );
    expect(judge(frame(order({ kind: "lock", issued_at: 201 })), locked.known).known.lockedAt).toBe(
      201,
    );
  });

  it("removes from conversations the device that it names, and no other", () => {
    const posted = { order: signAsOwner(order(), identity), rosters: [] };
    expect(judgeRemoval(posted, certificate, SERVER).kind).toBe("erase");
    const other = { ...certificate, deviceId: randomBytes(16) };
    expect(codeOf(() => judgeRemoval(posted, other, SERVER))).toBe("order.not_yours");
    const lock = { order: signAsOwner(order({ kind: "lock" }), identity), rosters: [] };
    expect(codeOf(() => judgeRemoval(lock, certificate, SERVER))).toBe("order.not_yours");
  });
});
