import { beforeAll, expect, test } from "vitest";
import { Connection } from "../../src/client/connection";
import { HttpApi } from "../../src/client/http";
import { browserNet, type Net } from "../../src/client/transport";
import { fromBase64 } from "../../src/wire/api";
import { randomBytes } from "../../src/wire/bytes";
import { publicKey, toBytes } from "../../src/wire/certificate";
import { unlockKeyBytes } from "../../src/wire/orders";
import * as unlock from "../../src/wire/unlock";
import { Device, online, Recorder, type Relay, until } from "./relay";
import { Way } from "./silence";

/** On a real relay: `given` gives it once it runs. */
export function connectionTests(given: () => Relay): void {
  let relay: Relay;
  let net: Net;

  beforeAll(async () => {
    relay = given();
    net = await relay.net();
  });

  async function device(name: string): Promise<Device> {
    const made = new Device(name);
    await made.activate(net, await relay.do<string>("code"));
    return made;
  }

  test("a message goes from one to another, once", async () => {
    const [ada, ben] = [await online(net, await device("ada")), await device("ben")];
    const id = randomBytes(16);
    const send = (ref: number) => ({
      t: "send" as const,
      ref,
      id,
      to: [ben.deviceId],
      payload: new Uint8Array([1, 2, 3]),
    });
    const accepted = await ada.connection.ask(send, "accepted");
    expect(accepted.id).toEqual(id);
    await ada.connection.ask(send, "accepted");
    const at = await online(net, ben);
    expect(at.owner.welcomes[0]?.newest).toBe(1);
    await until(() => at.owner.envelopes.length > 0, "the envelope");
    expect(at.owner.envelopes.map(({ payload }) => [...payload])).toEqual([[1, 2, 3]]);
    await at.connection.say({ t: "ack", sequence: 1 });
    ada.connection.close();
    at.connection.close();
    await Promise.all([ada.running, at.running]);
    expect([...ada.owner.reasons, ...at.owner.reasons]).toEqual([]);
  });

  test("answers go to who asked, others to the owner; refusals are the relay's own", async () => {
    const ada = await device("ada");
    const { connection, owner } = await online(net, ada);
    const line = await connection.ask(
      (ref) => ({
        t: "lookup",
        ref,
        address: ada.certificate.address,
        key_packages: false,
        devices: null,
      }),
      "line",
    );
    expect(line.devices.map((entry) => entry.certificate)).toEqual([toBytes(ada.certificate)]);
    const nobody = (ref: number) => ({
      t: "lookup" as const,
      ref,
      address: "nobody@localhost",
      key_packages: false,
      devices: null,
    });
    await expect(connection.ask(nobody, "line")).rejects.toMatchObject({ code: "address.unknown" });
    const ref = connection.newRef();
    await connection.say(nobody(ref));
    await until(() => owner.answers.length > 0, "the answer");
    expect(owner.answers[0]).toMatchObject({ ref, answer: { code: "address.unknown" } });
    connection.close();
  });

  test("an owner may ask while it takes what was delivered", async () => {
    const ada = await device("ada");
    const { connection, owner } = await online(net, ada);
    let found = 0;
    owner.taking = async () => {
      const asked = (ref: number) => ({ t: "attach" as const, ref, size: 10 });
      found += (await connection.ask(asked, "ticket")).id.length;
    };
    await connection.ask(
      (ref) => ({
        t: "send",
        ref,
        id: randomBytes(16),
        to: [ada.deviceId],
        payload: new Uint8Array([7]),
      }),
      "accepted",
    );
    await until(() => owner.envelopes.length > 0, "the envelope");
    expect(found).toBe(32);
    connection.close();
  });

  test("it comes back by itself when the relay was killed", async () => {
    const { connection, owner } = await online(net, await device("ada"));
    await relay.do("kill");
    await until(() => owner.reasons.length > 0, "the loss");
    expect(connection.online).toBe(false);
    await expect(connection.say({ t: "ack", sequence: 0 })).rejects.toMatchObject({
      code: "network.unreachable",
    });
    await relay.do("start");
    connection.hurry();
    await until(() => owner.welcomes.length > 1, "the second welcome");
    expect(connection.fatal).toBe(null);
    connection.close();
  }, 30_000);

  test("it lets go when the network goes, and comes back", async () => {
    const { connection, owner } = await online(net, await device("ada"));
    connection.drop();
    await until(() => owner.reasons.length > 0, "the loss");
    expect(owner.reasons.map(({ code }) => code)).toEqual(["network.unreachable"]);
    await until(() => owner.welcomes.length > 1, "the second welcome");
    expect(connection.online).toBe(true);
    connection.close();
  });

  test("asked whether it lives, a dead socket is let go and another one comes; a live one stays", async () => {
    const way = await Way.to(net.origin);
    try {
      const ada = await device("ada");
      const { connection, owner } = await online(browserNet(way.origin), ada);
      const probe = (ref: number) => ({
        t: "lookup" as const,
        ref,
        address: ada.certificate.address,
        key_packages: false,
        devices: null,
      });
      await connection.check(probe);
      // A refusal is an answer, too.
      await connection.check((ref) => ({ ...probe(ref), address: "nobody@localhost" }));
      expect(owner.reasons).toEqual([]);
      way.die();
      const asked = Date.now();
      await connection.check(probe);
      expect(connection.online).toBe(false);
      await until(() => owner.welcomes.length > 1, "the second welcome");
      expect(Date.now() - asked).toBeLessThan(15_000);
      expect(owner.reasons.map(({ code }) => code)).toEqual(["network.timeout"]);
      connection.close();
    } finally {
      way.close();
    }
  }, 40_000);

  test("a connection that is closed is over at once, whatever the other end leaves without an answer", async () => {
    const way = await Way.to(net.origin);
    try {
      const ada = await device("ada");
      const { connection, running } = await online(browserNet(way.origin), ada);
      way.die();
      const asked = connection.ask((ref) => ({ t: "attach", ref, size: 1000 }), "ticket");
      const outcome = asked.catch(({ code }) => code);
      const closed = Date.now();
      connection.close();
      expect(await outcome).toBe("network.unreachable");
      await running;
      expect(Date.now() - closed).toBeLessThan(1000);
    } finally {
      way.close();
    }
  }, 20_000);

  test("a device that nobody knows, or that signs in elsewhere, does not come back", async () => {
    const [stranger, owner] = [new Device("stranger"), new Recorder()];
    const connection = new Connection(net, stranger, owner);
    await connection.run();
    expect(connection.fatal?.code).toBe("signin.unknown_device");
    const ada = await device("ada");
    const [first, second] = [await online(net, ada), await online(net, ada)];
    await first.running;
    expect(first.connection.fatal?.code).toBe("signin.superseded");
    expect(first.owner.reasons.map(({ code }) => code)).toEqual(["signin.superseded"]);
    second.connection.close();
  });

  test("the API: info, a code used twice, a meeting place", async () => {
    const api = new HttpApi(net);
    expect(await api.info()).toMatchObject({ name: "localhost", mailbox_days: 30 });
    const code = await relay.do<string>("code");
    await new Device("ada").activate(net, code);
    await expect(new Device("ben").activate(net, code)).rejects.toMatchObject({
      code: "code.used",
    });
    const place = randomBytes(16);
    await expect(api.getLink(place, "offer", 0)).rejects.toMatchObject({ code: "link.unknown" });
    await api.putLink(place, "offer", new Uint8Array([1, 2]));
    expect([...(await api.getLink(place, "offer", 0))]).toEqual([1, 2]);
    const waiting = api.getLink(place, "answer", 20);
    await api.putLink(place, "answer", new Uint8Array([3]));
    expect([...(await waiting)]).toEqual([3]);
    const gone = new AbortController();
    const aborted = api.getLink(randomBytes(16), "answer", 20, gone.signal);
    gone.abort(new Error("no more"));
    await expect(aborted).rejects.toThrow("no more");
  });

  test("a share is enrolled, given for a right guess, and not for a wrong one", async () => {
    const ada = await device("ada");
    const api = new HttpApi(net);
    const { connection } = await online(net, ada);
    const service = fromBase64((await api.info()).share_key, unlock.PUBLIC_KEY_BYTES);
    const [secret, auth, share] = [randomBytes(32), randomBytes(32), randomBytes(32)];
    const unlock_key = publicKey(secret);
    const sealed = await unlock.sealEnrolment(service, {
      device: ada.deviceId,
      unlock_key,
      auth,
      share,
    });
    const unlock_proof = ada.sign(unlockKeyBytes(ada.deviceId, unlock_key));
    await connection.ask((ref) => ({ t: "enrol", ref, sealed, unlock_key, unlock_proof }), "done");
    connection.close();

    async function guess(tried: typeof auth): Promise<unlock.Answer> {
      const challenge = await api.unlockChallenge(ada.deviceId);
      const made = unlock.makeGuess(secret, ada.deviceId, challenge, tried);
      const answer = await api.unlock(ada.deviceId, await unlock.sealGuess(service, made));
      return unlock.openAnswer(made.answer_key, answer);
    }
    expect(await guess(randomBytes(32))).toEqual({
      status: "wrong",
      share: null,
      tries: 9,
      wait: 0,
    });
    expect(await guess(auth)).toEqual({ status: "open", share, tries: 10, wait: 0 });
    await expect(api.unlock(ada.deviceId, randomBytes(1300))).rejects.toMatchObject({
      code: "unlock.malformed",
    });
  });

  test("who does not answer at all is unreachable", async () => {
    const nobody = browserNet("http://127.0.0.1:9");
    await expect(new HttpApi(nobody).info()).rejects.toMatchObject({ code: "network.unreachable" });
  });
}
