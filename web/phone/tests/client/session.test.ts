import { expect, test } from "vitest";
import { Connection } from "../../src/client/connection";
import { Session, type Signer } from "../../src/client/session";
import type { Net } from "../../src/client/transport";
import { type Bytes, randomBytes } from "../../src/wire/bytes";
import { publicKey, sign, verifies } from "../../src/wire/certificate";
import {
  decodeFromDevice,
  encode,
  type FromRelay,
  MAX_FRAME,
  signInBytes,
} from "../../src/wire/frames";
import { Recorder, until } from "./relay";

const secret = randomBytes(32);
const me: Signer = {
  deviceId: randomBytes(16),
  server: "relay.example",
  sign: (data) => sign(secret, data),
};
const nonce = randomBytes(32);
const hello: FromRelay = { t: "hello", nonce, server: "relay.example", time: 5 };
const welcome: FromRelay = { t: "welcome", key_packages: 0, last_resort: false, newest: 0 };
const revoked: FromRelay = { t: "refused", ref: null, code: "signin.revoked", message: "" };
const done: FromRelay = { t: "done", ref: 5 };
const deliver: FromRelay = {
  t: "deliver",
  sequence: 1,
  id: randomBytes(16),
  payload: new Uint8Array([1]),
  at: 5,
};
const order: FromRelay = {
  t: "order",
  order: {
    body: new Uint8Array([1]),
    fleet_signature: null,
    officers: [],
    owner_signature: randomBytes(64),
  },
  rosters: [],
  reason: { text: "Lost", salt: randomBytes(16) },
};

function play(...frames: FromRelay[]): Session {
  const session = new Session(me);
  for (const frame of frames) session.take(encode(frame));
  return session;
}

test("the sign-in is signed over this server and this nonce", () => {
  const happening = new Session(me).take(encode(hello));
  if (happening.type !== "say") throw new Error("it says nothing");
  const said = decodeFromDevice(happening.data);
  expect(said).toMatchObject({ t: "sign_in", device: me.deviceId });
  if (said.t !== "sign_in") throw new Error("it does not sign in");
  const signed = signInBytes("relay.example", nonce);
  expect(verifies(publicKey(secret), signed, said.signature)).toBe(true);
});

test.each<[string, FromRelay[], string]>([
  ["another server", [{ ...hello, server: "other.example" } as FromRelay], "network.untrusted"],
  ["no greeting", [welcome], "network.untrusted"],
  ["deliveries before the greeting", [deliver], "network.untrusted"],
  ["deliveries before the welcome", [hello, deliver], "frame.unexpected"],
  ["a second greeting", [hello, hello], "frame.unexpected"],
  ["a greeting later on", [hello, welcome, hello], "frame.unexpected"],
  ["a second welcome", [hello, welcome, welcome], "frame.unexpected"],
  ["a refused sign-in", [hello, revoked], "signin.revoked"],
  ["the end of a session", [hello, welcome, revoked], "signin.revoked"],
])("%s ends the connection", (_name, frames, code) => {
  expect(() => play(...frames)).toThrow(expect.objectContaining({ code }));
});

test("what is no frame ends the connection", () => {
  const session = play(hello, welcome);
  expect(() => session.take(new Uint8Array([0xc1]))).toThrow(
    expect.objectContaining({ code: "frame.malformed" }),
  );
  expect(() => session.take(new Uint8Array(MAX_FRAME + 1))).toThrow(
    expect.objectContaining({ code: "frame.oversized" }),
  );
});

test("a revoked device may report, and say nothing else", () => {
  const session = play(hello, order);
  expect(session.isThrough).toBe(true);
  expect(session.state).toBe("ordered");
  const receipt = { body: new Uint8Array([1]), key: "device" as const, signature: randomBytes(64) };
  expect(session.takes({ t: "report", ref: 1, receipt })).toBe(true);
  expect(session.takes({ t: "ack", sequence: 1 })).toBe(false);
  expect(session.take(encode(done))).toMatchObject({ type: "answered", ref: 5 });
});

/** A relay that says what it is told, with the browser's WebSocket around it. */
class Puppet extends EventTarget {
  readyState = 1;
  bufferedAmount = 0;
  binaryType = "";
  said: Bytes[] = [];

  send(data: Bytes): void {
    this.said.push(data);
  }

  close(): void {
    this.readyState = 3;
    this.dispatchEvent(new Event("close"));
  }

  says(data: unknown): void {
    this.dispatchEvent(new MessageEvent("message", { data }));
  }

  frame(frame: FromRelay): void {
    const data = encode(frame);
    this.says(data.buffer);
  }
}

async function hostile(): Promise<{
  connection: Connection;
  owner: Recorder;
  sockets: Puppet[];
  running: Promise<void>;
  pauses: number[];
}> {
  const [sockets, pauses]: [Puppet[], number[]] = [[], []];
  const net: Net = {
    origin: "https://relay.example",
    fetch: () => Promise.reject(new Error("no HTTP here")),
    openSocket: (url, protocol) => {
      expect([url, protocol]).toEqual(["wss://relay.example/v1/socket", "chappe.v1"]);
      const puppet = new Puppet();
      sockets.push(puppet);
      return puppet as unknown as WebSocket;
    },
    now: () => 0,
    sleep: async (milliseconds) => {
      pauses.push(milliseconds);
      await new Promise((resolve) => setTimeout(resolve, 1));
    },
    random: () => 1,
  };
  const owner = new Recorder();
  const connection = new Connection(net, me, owner);
  const running = connection.run();
  await until(() => sockets.length === 1, "a socket");
  return { connection, owner, sockets, running, pauses };
}

test("pauses grow, with jitter, while nobody answers", async () => {
  const { connection, owner, sockets, running, pauses } = await hostile();
  for (let count = 0; count < 10; count++) {
    sockets[count]?.close();
    await until(() => sockets.length > count + 1, "another try");
  }
  expect(pauses.slice(0, 4)).toEqual([200, 400, 800, 1600]);
  expect(Math.max(...pauses)).toBe(30_000);
  expect(owner.reasons).toEqual([]);
  connection.close();
  await running;
});

test("text, and more than a phone can hold, end the connection; it comes back", async () => {
  const { connection, owner, sockets, running } = await hostile();
  sockets[0]?.says("hello");
  await until(() => sockets.length === 2, "another try");
  expect(connection.lastError?.code).toBe("frame.malformed");
  const flood = sockets[1];
  flood?.frame(hello);
  flood?.frame(welcome);
  await until(() => owner.welcomes.length === 1, "the welcome");
  // The owner takes nothing for a while, and the relay does not care.
  let free: () => void = () => undefined;
  owner.taking = () =>
    new Promise((resolve) => {
      free = resolve;
    });
  const large: FromRelay = { ...deliver, payload: new Uint8Array(4 * 1024 * 1024) };
  for (let count = 0; count < 12; count++) flood?.frame(large);
  await until(() => free.length === 0, "the first batch");
  owner.taking = async () => undefined;
  free();
  await until(() => sockets.length === 3, "another try");
  expect(connection.lastError?.code).toBe("frame.oversized");
  expect(owner.envelopes.length).toBeLessThan(10);
  connection.close();
  await running;
});

test("who asked is told when the connection ends", async () => {
  const { connection, owner, sockets, running } = await hostile();
  sockets[0]?.frame(hello);
  sockets[0]?.frame(welcome);
  await until(() => owner.welcomes.length === 1, "the welcome");
  const asked = connection.ask((ref) => ({ t: "attach", ref, size: 1 }), "ticket");
  sockets[0]?.close();
  await expect(asked).rejects.toMatchObject({ code: "network.unreachable" });
  expect(owner.reasons.map(({ code }) => code)).toEqual(["network.unreachable"]);
  connection.close();
  await running;
});

test("an answer of another kind is no answer", async () => {
  const { connection, owner, sockets, running } = await hostile();
  sockets[0]?.frame(hello);
  sockets[0]?.frame(welcome);
  await until(() => owner.welcomes.length === 1, "the welcome");
  const asked = connection.ask((ref) => ({ t: "attach", ref, size: 1 }), "ticket");
  await until(() => sockets[0]?.said.length === 2, "the request");
  sockets[0]?.frame({ t: "done", ref: 1 });
  await expect(asked).rejects.toMatchObject({ code: "frame.unexpected" });
  sockets[0]?.frame(order);
  await until(() => owner.orders.length === 1, "the order");
  connection.close();
  await running;
});

const term: FromRelay = {
  t: "term",
  stage: "suspended",
  ends: 1,
  suspends: 2,
  closes: 3,
  forgotten: 4,
};

test("a line that is out of term is told so in place of a welcome, and may report and nothing else", () => {
  const session = play(hello);
  expect(session.take(encode(term))).toEqual({ type: "termed", term });
  expect(session.state).not.toBe("open");
  expect(session.isThrough).toBe(true);
  expect(session.takes({ t: "ack", sequence: 1 })).toBe(false);
  expect(session.take(encode(order))).toMatchObject({ type: "ordered" });
  const suspended: FromRelay = { t: "refused", ref: null, code: "term.suspended", message: "" };
  expect(() => session.take(encode(suspended))).toThrow(/suspended/);
});

test("a term comes at any time after the welcome", () => {
  const session = play(hello, welcome);
  expect(session.take(encode(term))).toMatchObject({ type: "termed" });
  expect(session.state).toBe("open");
});

test("a term comes from nobody before the relay was greeted", () => {
  expect(() => new Session(me).take(encode(term))).toThrow(/relay/);
});
