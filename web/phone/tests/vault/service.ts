/** A share service in a test's memory, and a phone's profile that has its PIN there. */

import { Aes256Gcm, CipherSuite, HkdfSha512 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";
import { decode, encode } from "@msgpack/msgpack";
import { ed25519 } from "@noble/curves/ed25519.js";
import { Keeping, newKey } from "../../src/vault/keeping";
import type { Cost } from "../../src/vault/keys";
import { type Enroller, type Service, setPin } from "../../src/vault/locking";
import type { Moment } from "../../src/vault/offline";
import type { Enrolment } from "../../src/vault/unlocking";
import { POLICY, type Policy } from "../../src/vault/vault";
import {
  type Bytes,
  bigEndian,
  concat,
  equal,
  randomBytes,
  toHex,
  utf8,
} from "../../src/wire/bytes";
import { error } from "../../src/wire/errors";
import { guessBytes } from "../../src/wire/unlock";

export const CHEAP: Cost = { memoryKib: 8, passes: 1, lanes: 1 };
export const DEVICE = new Uint8Array(16).map((_, i) => i);

type Map16 = Record<string, Bytes>;

export class TestService implements Service {
  enrolled: Map16 | null = null;
  away = false;
  guesses = 0;
  /** Challenges that are too old, or used, by the time the guess is there. */
  stale = 0;
  /** The share is destroyed. */
  gone = false;
  /** Changes an answer's share before it is sealed. */
  lie: (share: Bytes) => Bytes = (share) => share;
  #suite = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha512(), aead: new Aes256Gcm() });

  private constructor(
    readonly pair: CryptoKeyPair,
    readonly key: Bytes,
  ) {}

  static async make(): Promise<TestService> {
    const kem = new XWing();
    const pair = await kem.generateKeyPair();
    return new TestService(pair, new Uint8Array(await kem.serializePublicKey(pair.publicKey)));
  }

  enroller: Enroller = async ({ sealed }) => {
    this.enrolled = await this.#open(sealed, "chappe enrol v1");
  };

  async challenge(): Promise<Bytes> {
    if (this.away) throw error("network.unreachable");
    return randomBytes(32);
  }

  async guess(_device: Bytes, sealed: Bytes): Promise<Bytes> {
    if (this.away) throw error("network.unreachable");
    if (this.stale-- > 0) throw error("unlock.bad_challenge");
    const guess = await this.#open(sealed, "chappe unlock v1");
    if (!this.enrolled) throw error("unlock.unknown_device");
    const of = (map: Map16, name: string) => map[name] as Bytes;
    const signed = guessBytes(
      of(guess, "device"),
      of(guess, "challenge"),
      of(guess, "auth"),
      of(guess, "answer_key"),
    );
    if (!ed25519.verify(of(guess, "signature"), signed, of(this.enrolled, "unlock_key")))
      throw error("unlock.bad_signature");
    this.guesses++;
    const right = equal(of(guess, "auth"), of(this.enrolled, "auth"));
    const answer = this.gone
      ? { status: "gone", share: null, tries: 0, wait: 0 }
      : right
        ? { status: "open", share: this.lie(of(this.enrolled, "share")), tries: 10, wait: 0 }
        : { status: "wrong", share: null, tries: 9, wait: 0 };
    const packed = encode(answer);
    const padded = new Uint8Array(128);
    padded.set(concat(bigEndian(packed.length, 2), packed));
    const key = await crypto.subtle.importKey("raw", of(guess, "answer_key"), "AES-GCM", false, [
      "encrypt",
    ]);
    const algorithm = {
      name: "AES-GCM",
      iv: new Uint8Array(12),
      additionalData: utf8("chappe unlock v1"),
    };
    return new Uint8Array(await crypto.subtle.encrypt(algorithm, key, padded));
  }

  async #open(sealed: Bytes, info: string): Promise<Map16> {
    const opened = await this.#suite.open(
      { recipientKey: this.pair.privateKey, enc: sealed.slice(0, 1120), info: utf8(info) },
      sealed.slice(1120),
    );
    return decode(opened) as Map16;
  }
}

/** A profile with nothing in it, its service, and a clock that the test moves. */
export class Profile {
  moment: Moment = { wall: 1_800_000_000, run: "one", up: 100 };
  key: Bytes = newKey();

  private constructor(
    readonly service: TestService,
    readonly keeping: Keeping,
    readonly name: string,
  ) {}

  static async make(): Promise<Profile> {
    const name = `vault ${toHex(randomBytes(8))}`;
    const made = new Profile(await TestService.make(), await Keeping.open(name), name);
    await made.keeping.keepPlain(made.key);
    return made;
  }

  enrolment(policy: Policy = POLICY): Enrolment {
    const place = { host: "relay.example", port: 8440, pin: new Uint8Array(32) };
    return { key: this.key, device: DEVICE, place, service: this.service.key, policy };
  }

  get circumstances() {
    return { now: () => this.moment, cost: CHEAP };
  }

  setPin(pin: string, policy?: Policy, send: Enroller = this.service.enroller): Promise<void> {
    return setPin(this.keeping, pin, "ada@relay.example", this.enrolment(policy), send, {
      cost: CHEAP,
    });
  }
}
