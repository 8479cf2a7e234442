/** Many lines are asked for at once and kept in one change; what is wrong with one is its own. */
import "fake-indexeddb/auto";
import { expect, test, vi } from "vitest";
import { askMany, inTurns, MANY } from "../../src/client/asking";
import { Contacts } from "../../src/client/contacts";
import { Core } from "../../src/client/core";
import { type Me, newLine } from "../../src/client/identity";
import type { Wire } from "../../src/client/wire";
import { Store } from "../../src/vault/store";
import { error } from "../../src/wire/errors";
import type { FromDevice, FromRelay, Typed } from "../../src/wire/frames";

const PLACE = { host: "relay.example", port: 443, pin: null };
const line = (name: string): Me => newLine(`${name}@relay.example`, PLACE, new Uint8Array(), 1);

const lineOf = (me: Me, ref: number): Typed<"line"> => ({
  t: "line",
  ref,
  line: me.certificate.lineId,
  address: me.address,
  identity_key: me.certificate.identityKey,
  devices: [{ device: me.deviceId, certificate: me.certificateBytes, key_package: null }],
  salt: new Uint8Array(32),
});

/** Answers nobody before so many have asked: who asks one after the other waits for ever. */
class Relay implements Wire {
  readonly relayTime = 0;
  #asked = 0;
  #all: () => void = () => {};
  #here = new Promise<void>((all) => {
    this.#all = all;
  });

  constructor(
    private readonly lines: Map<string, Me>,
    private readonly expected: number,
  ) {}

  async ask<K extends FromRelay["t"]>(make: (ref: number) => FromDevice): Promise<Typed<K>> {
    const frame = make(this.newRef()) as Typed<"lookup">;
    if (this.#asked === this.expected) this.#all();
    await this.#here;
    const found = this.lines.get(frame.address);
    if (found === undefined) throw error("address.unknown");
    return lineOf(found, frame.ref) as Typed<K>;
  }

  newRef(): number {
    return ++this.#asked;
  }

  async say(): Promise<void> {}
}

test("all are under way together, one durable change keeps them, and each has its own outcome", async () => {
  await Store.destroy();
  const store = await Store.create(new Uint8Array(32).fill(7));
  const core = await Core.open(line("ada"), store);
  const contacts = new Contacts(core);
  const names = Array.from({ length: MANY }, (_, number) => `line${number}`);
  const lines = new Map(names.map((name) => [`${name}@relay.example`, line(name)]));
  const addresses = [...lines.keys()];
  const [changed, unknown, lying, ...good] = addresses as [string, string, string, ...string[]];
  // One has another identity than the one it is known by, one is nobody, one is said to be another.
  await contacts.takeAnswer(changed, lineOf(line("line0"), 1));
  lines.delete(unknown);
  lines.set(lying, lines.get(changed) as Me);
  const writes = vi.spyOn(store, "write");
  const relay = new Relay(lines, addresses.length);
  const asked = addresses.map((address) => ({ address, devices: null, packages: false }));
  const answers = await askMany(relay, contacts, asked);
  expect(writes).toHaveBeenCalledTimes(1);
  expect(answers.get(changed)).toMatchObject({ code: "identity.changed" });
  expect(answers.get(unknown)).toMatchObject({ code: "address.unknown" });
  expect(answers.get(lying)).toMatchObject({ code: "certificate.invalid" });
  for (const address of good) {
    expect(answers.get(address)).toHaveLength(1);
    expect(contacts.known(address)).toMatchObject({ changed: null, unconfirmed: false });
  }
  expect(contacts.known(changed).changed).not.toBeNull();
  expect(contacts.find(unknown)).toBeUndefined();
  expect(contacts.find(lying)).toBeUndefined();
});

test("those that are more go in turns", () => {
  expect([...inTurns([1, 2, 3, 4, 5], 2)]).toEqual([[1, 2], [3, 4], [5]]);
  expect([...inTurns([])]).toEqual([]);
});
