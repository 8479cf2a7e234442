import { writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as api from "../../src/wire/api";
import { type Bytes, fromHex, toHex } from "../../src/wire/bytes";
import * as certificate from "../../src/wire/certificate";
import * as chain from "../../src/wire/chain";
import * as codes from "../../src/wire/codes";
import * as content from "../../src/wire/content";
import * as delivery from "../../src/wire/delivery";
import * as frames from "../../src/wire/frames";
import * as links from "../../src/wire/links";
import { paddedLength } from "../../src/wire/padding";
import * as recovery from "../../src/wire/recovery";
import * as unlock from "../../src/wire/unlock";
import { agreeOn, type Case, loadCases, plain, unplain, verdict } from "./cases";

const all = loadCases();

function cases(name: string): Case[] {
  return (all?.[name] ?? []) as Case[];
}

function agree(name: string, run: (one: Case) => unknown): Promise<void> {
  return agreeOn(cases(name), run);
}

describe.skipIf(all === null)("judged as Python judges", () => {
  test("frames of the relay", () =>
    agree("frames", (one) => frames.decodeFromRelay(fromHex(one.data))));

  test("frames of a device", () =>
    agree("deviceFrames", (one) => frames.decodeFromDevice(fromHex(one.data))));

  test("contents", () => agree("contents", (one) => content.decode(fromHex(one.data))));

  test("what a device encrypts", () =>
    agree("items", (one) => chain.decodeItem(fromHex(one.data))));

  test("answers to messages of nobody", () =>
    agree("delivered", (one) => delivery.decodeDelivered(fromHex(one.data))));

  test("certificates", () =>
    agree("certificates", (one) => certificate.fromBytes(fromHex(one.data))));

  test("their signatures", () => {
    const read = cases("certificates").filter((one) => one.held !== undefined);
    const held = read.map((one) => {
      const { identityKey } = certificate.fromBytes(fromHex(one.data));
      return [one.data, toHex(identityKey), holds(one.data)];
    });
    expect(held).toEqual(read.map((one, at) => [one.data, held[at]?.[1], one.held]));
    expect(new Set(read.map((one) => one.held)).size).toBe(2);
  });

  test("bodies", () =>
    agree("bodies", (one) => {
      const shapes = {
        info: api.info,
        activated: api.activated,
        unlockChallenged: api.unlockChallenged,
        unlocked: api.unlocked,
        failure: api.failure,
        activate: api.activate,
        addDevice: api.addDevice,
        codeFor: api.codeFor,
        organisation: api.organisation,
      };
      return api.decode<unknown>(fromHex(one.data), shapes[one.kind as keyof typeof shapes]);
    }));

  test("answers of the share service", () =>
    agree("answers", (one) => unlock.openAnswer(fromHex(one.key), fromHex(one.data))));

  test("addresses", () => agree("addresses", (one) => certificate.checkAddress(one.text)));
  test("codes", () => agree("codes", (one) => codes.parse(one.text)));
  test("links", () => agree("links", (one) => links.parse(one.text)));
  test("links to a line that lost every phone", () =>
    agree("recoveries", (one) => recovery.parseRecovery(one.text)));
  test("places", () => agree("places", (one) => links.parsePlace(one.text)));
  test("base64url", () => agree("base64", (one) => api.fromBase64(one.text)));
  test("file names", () => agree("names", (one) => content.safeName(one.text)));
});

describe.skipIf(all === null)("the same bytes as Python's", () => {
  test("frames", () => {
    for (const one of [...goodOf("frames"), ...goodOf("deviceFrames")]) {
      expect(toHex(frames.encode(unplain(one.value)))).toBe(one.encoded);
    }
  });

  test("contents", () => {
    for (const one of goodOf("contents").filter(({ encoded }) => encoded !== "")) {
      expect(toHex(content.encode(unplain(one.value)))).toBe(one.encoded);
    }
  });

  test("messages of nobody", () => {
    for (const one of (all?.deliver ?? []) as { messages: unknown; encoded: string }[]) {
      expect(toHex(delivery.encodeDeliver(unplain(one.messages)))).toBe(one.encoded);
    }
    const { token, digest } = (all?.tokenDigest ?? {}) as Record<string, string>;
    expect(toHex(delivery.tokenDigest(fromHex(token as string)))).toBe(digest);
  });

  test("message ids", () => {
    for (const one of (all?.messageIds ?? []) as Record<string, string>[]) {
      const [sender, room] = [
        content.senderUri(one.address as string),
        content.roomUri(one.server as string, fromHex(one.group as string)),
      ];
      expect(toHex(content.messageId(sender, room, fromHex(one.data as string)))).toBe(one.id);
    }
  });

  test("hashes of links, and of histories", () => {
    expect(all?.chain).toHaveLength(8);
    for (const one of (all?.chain ?? []) as (Record<string, string> & { epoch: number })[]) {
      const [group, device, digest] = [one.group, one.device, one.digest].map((it) =>
        fromHex(it as string),
      ) as [Bytes, Bytes, Bytes];
      const { epoch } = one;
      const link = {
        stream: fromHex(one.stream ?? ""),
        counter: epoch,
        epoch,
        before: chain.START,
      };
      expect(toHex(chain.hashOf(link, group, device, digest))).toBe(one.hash);
      const history = chain.historyOf(group, epoch, fromHex(one.transcript ?? ""));
      expect(toHex(history)).toBe(one.history);
    }
  });

  test("digits of a request", () => {
    const requests = (all?.requests ?? []) as { data: string; digits: string }[];
    expect(requests).toHaveLength(3);
    for (const { data, digits } of requests)
      expect(recovery.requestDigits(fromHex(data))).toBe(digits);
  });

  test("certificates", () => {
    for (const one of (all?.issued ?? []) as { identity: string; of: unknown; data: string }[]) {
      const of = unplain<certificate.Unsigned>(one.of);
      const made = certificate.issue(fromHex(one.identity), of);
      expect(toHex(certificate.toBytes(made))).toBe(one.data);
      certificate.verify(made);
    }
  });

  test("links", () => {
    for (const { text } of cases("shown")) expect(links.show(links.parse(text))).toBe(text);
  });

  test("safety numbers", () => {
    for (const one of (all?.safetyNumbers ?? []) as { given: string[]; number: string }[]) {
      const [keyA, lineA, keyB, lineB] = one.given.map(fromHex) as [Bytes, Bytes, Bytes, Bytes];
      expect(certificate.safetyNumber(keyA, lineA, keyB, lineB)).toBe(one.number);
      expect(certificate.safetyNumber(keyB, lineB, keyA, lineA)).toBe(one.number);
    }
  });

  test("padding", () => {
    const lengths = (all?.padding ?? []) as [number, number][];
    expect(lengths.map(([length]) => [length, paddedLength(length)])).toEqual(lengths);
  });

  test("what is signed and hashed", () => {
    const given = all?.signed as Record<string, string>;
    const [device, challenge, auth, key] = ["device", "challenge", "auth", "key"].map((name) =>
      fromHex(given[name] as string),
    ) as [Bytes, Bytes, Bytes, Bytes];
    const { server = "", code = "" } = given;
    const signed = fromHex(given.certificate as string);
    expect(toHex(api.activateBytes(server, code, signed))).toBe(given.activate);
    expect(toHex(api.addDeviceBytes(server, signed))).toBe(given.addDevice);
    expect(toHex(frames.signInBytes(server, challenge))).toBe(given.signIn);
    expect(toHex(unlock.guessBytes(device, challenge, auth, key))).toBe(given.guess);
    expect(toHex(unlock.shareCommitment(device, key))).toBe(given.commitment);
    expect(toHex(codes.digest(code))).toBe(given.digest);
  });
});

test.skipIf(all === null)("what is sealed goes to Python", async () => {
  const service = fromHex(all?.service as string);
  const unlockKey = fromHex(all?.unlockKey as string);
  const [device, challenge, auth, share] = [fill(16, 1), fill(32, 2), fill(32, 3), fill(32, 4)];
  const enrolment = { device, unlock_key: certificate.publicKey(unlockKey), auth, share };
  const guess = unlock.makeGuess(unlockKey, device, challenge, auth);
  const sealed = {
    enrolment: {
      sealed: toHex(await unlock.sealEnrolment(service, enrolment)),
      value: plain(enrolment),
    },
    guess: { sealed: toHex(await unlock.sealGuess(service, guess)), value: plain(guess) },
  };
  const file = process.env.CHAPPE_SEALED;
  if (file !== undefined) writeFileSync(file, JSON.stringify(sealed));
  expect(fromHex(sealed.guess.sealed).length).toBeLessThan(1536);
  await expect(verdict(() => unlock.sealGuess(service.slice(1), guess))).resolves.toEqual({
    error: "unlock.malformed",
  });
  const none = new Uint8Array(unlock.PUBLIC_KEY_BYTES).fill(255);
  await expect(verdict(() => unlock.sealGuess(none, guess))).resolves.toEqual({
    error: "unlock.malformed",
  });
});

function fill(length: number, byte: number): Bytes {
  return new Uint8Array(length).fill(byte);
}

function goodOf(name: string): Case[] {
  return cases(name).filter((one) => one.value !== undefined);
}

function holds(data: string): boolean {
  try {
    certificate.verify(certificate.fromBytes(fromHex(data)));
    return true;
  } catch {
    return false;
  }
}
