/**
 * Setting a PIN and unlocking, as values and answers: no socket, no database, no clock.
 *
 *     const made = await enrol(pin, key, entry, ...);  // send made.sealed, then keep made.vault
 *     const opening = new Opening(a, entry, vault);
 *     const sealed = await opening.begin(challenge);   // as often as need be, each with its own challenge
 *     const key = await opening.take(answer);          // the vault key, or why not
 */

import { type Bytes, concat, equal, randomBytes } from "../wire/bytes";
import { error } from "../wire/errors";
import type { RelayPlace } from "../wire/links";
import {
  type Answer,
  guessBytes,
  openAnswer,
  sealEnrolment,
  sealGuess,
  shareCommitment,
} from "../wire/unlock";
import { wipe } from "./bytes";
import { authOf, COST, type Cost, kekOf, stretch, unwrap, WRAP_CONTEXT, wrap } from "./keys";
import type { Entry } from "./keystore";
import type { Policy, Vault } from "./vault";

/** What a PIN is set for: the vault key, and where its share goes. `key` stays the caller's to wipe. */
export interface Enrolment {
  key: Uint8Array;
  device: Bytes;
  place: RelayPlace;
  /** The share service's public key, as it is pinned from here on. */
  service: Bytes;
  policy: Policy;
}

/** What a new PIN makes: `sealed` goes to the service, `vault` is kept. */
export interface Enrolling {
  vault: Vault;
  sealed: Bytes;
}

/** A fresh share, told to the service and forgotten here. Raises unlock.malformed for no service key. */
export async function enrol(
  pin: string,
  entry: Entry,
  { key, device, place, service, policy }: Enrolment,
  cost: Cost = COST,
): Promise<Enrolling> {
  const share = randomBytes(32);
  const r = await entry.r();
  const a = await stretch(pin, r, cost);
  const [kek, auth] = [await kekOf(a, r, share), await authOf(a, r)];
  try {
    const sealed = await sealEnrolment(service, { device, unlock_key: entry.public, auth, share });
    const wrapped = await wrap(kek, key, concat(WRAP_CONTEXT, device));
    const commitment = shareCommitment(device, share);
    const { host, port, pin: certificate } = place;
    const vault: Vault = {
      version: 1,
      entry: entry.name,
      device,
      host,
      port,
      pin: certificate,
      service,
      wrapped,
      commitment,
      policy,
    };
    return { vault, sealed };
  } finally {
    wipe(share, r, a, kek, auth);
  }
}

/** One PIN against one vault. `wipe` when done. */
export class Opening {
  #answerKey: Bytes | null = null;
  /** The share, once `take` or `takeShare` has opened the vault with it. */
  share: Bytes | null = null;

  /** `a` is this one's from here on. */
  constructor(
    readonly a: Bytes,
    private readonly entry: Entry,
    private readonly vault: Vault,
  ) {}

  static async with(pin: string, entry: Entry, vault: Vault, cost: Cost = COST): Promise<Opening> {
    const r = await entry.r();
    try {
      return new Opening(await stretch(pin, r, cost), entry, vault);
    } finally {
      wipe(r);
    }
  }

  /** A sealed guess. Raises unlock.malformed for a challenge, or a pinned key, that is none. */
  async begin(challenge: Bytes): Promise<Bytes> {
    if (challenge.length !== 32) throw error("unlock.malformed");
    const { device, service } = this.vault;
    const r = await this.entry.r();
    const auth = await authOf(this.a, r);
    const answerKey = randomBytes(32);
    try {
      const signature = await this.entry.sign(guessBytes(device, challenge, auth, answerKey));
      const sealed = await sealGuess(service, {
        device,
        challenge,
        auth,
        answer_key: answerKey,
        signature,
      });
      this.#answerKey = answerKey;
      return sealed;
    } finally {
      wipe(auth, r);
    }
  }

  /**
   * The vault key; the caller wipes it.
   *
   * Raises vault.wrong_pin, vault.wait, vault.destroyed, vault.bad_share; unlock.malformed for what is not an
   * answer to the last guess, one that was taken already among them. None of them changes anything that is
   * kept.
   */
  async take(sealed: Bytes): Promise<Bytes> {
    const key = this.#answerKey;
    this.#answerKey = null;
    if (!key) throw error("unlock.malformed");
    const answer = await openAnswer(key, sealed);
    wipe(key);
    if (answer.status !== "open") throw outcome(answer);
    const share = answer.share ?? new Uint8Array(0);
    try {
      return await this.takeShare(share);
    } finally {
      wipe(share);
    }
  }

  /** The vault key by a share. Raises vault.bad_share, vault.wrong_pin. */
  async takeShare(share: Bytes): Promise<Bytes> {
    const { device, commitment, wrapped } = this.vault;
    if (!equal(shareCommitment(device, share), commitment)) throw error("vault.bad_share");
    const r = await this.entry.r();
    const kek = await kekOf(this.a, r, share);
    const key = await unwrap(kek, wrapped, concat(WRAP_CONTEXT, device));
    wipe(kek, r);
    // The service says right, and gave the right share: it did not look at the PIN.
    if (!key)
      throw error(
        "vault.wrong_pin",
        "That is not the PIN, but the relay took it; tell its operator.",
        { reason: "taken" },
      );
    this.share = new Uint8Array(share);
    return key;
  }

  wipe(): void {
    wipe(this.a, this.share, this.#answerKey);
    this.#answerKey = null;
  }
}

function outcome({ status, tries, wait }: Answer): Error {
  if (status === "wait") {
    const left = Math.max(wait, 1);
    const message = `Too many wrong PINs: the next try is in ${words(left)}.`;
    return error("vault.wait", message, { wait: left });
  }
  if (status === "gone" || tries === 0) return error("vault.destroyed");
  const left = tries === 1 ? "1 try is left" : `${tries} tries are left`;
  const when = wait ? `, the next in ${words(wait)}` : "";
  const last = tries === 1 ? "; after a wrong one nothing opens this profile any more" : "";
  return error("vault.wrong_pin", `That is not the PIN: ${left}${when}${last}.`, { tries, wait });
}

/** A wait, for people, rounded up. */
export function words(seconds: number): string {
  for (const [unit, length] of [
    ["hour", 3600],
    ["minute", 60],
  ] as const) {
    if (seconds >= length) {
      const count = Math.ceil(seconds / length);
      return `${count} ${unit}${count > 1 ? "s" : ""}`;
    }
  }
  return `${seconds} second${seconds > 1 ? "s" : ""}`;
}
