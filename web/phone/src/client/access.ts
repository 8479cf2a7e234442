/** Coming in and going out: a line begins, a device is linked, a PIN opens and a lock closes. */

import { wipe } from "../vault/bytes";
import { askToPersist } from "../vault/eviction";
import type { Keeping, Prepared } from "../vault/keeping";
import { changePin, setPin, type Tell, type Unlocked, unlock } from "../vault/locking";
import type { Moment } from "../vault/offline";
import { check } from "../vault/pins";
import { POLICY, type Policy, placeOf, type Vault } from "../vault/vault";
import { fromBase64 } from "../wire/api";
import { type Bytes, equal } from "../wire/bytes";
import { checkAddress } from "../wire/certificate";
import { ChappeError, error } from "../wire/errors";
import { byDevice } from "../wire/fleet";
import type { RelayPlace } from "../wire/links";
import { type FleetPolicy, readOrder, type SignedOrder, unlockKeyBytes } from "../wire/orders";
import type { RecoveryLink } from "../wire/recovery";
import { PUBLIC_KEY_BYTES } from "../wire/unlock";
import { activate, finish, link, organisationOf, readActivation } from "./activation";
import { cleanName } from "./clean";
import { ASK_WHY, eraseBy, eraseIfOrdered, settleErased } from "./erasing";
import type { OrganisationOf, RecoveryRequest } from "./face";
import { HttpApi } from "./http";
import { isNetwork } from "./messages";
import { Opened, type Reach } from "./opened";
import type { Judged } from "./orders";
import * as recovering from "./recovering";
import { sleep } from "./transport";
import { warm } from "./warming";

const ONLINE_SECONDS = 30;
const ENROL_TIMES = 3;
const ENROL_PAUSE_MS = 1000;

/** A challenge holds for a minute, by the relay's clock. */
const EARLY_MS = 40_000;

interface Early {
  device: Bytes;
  challenge: Promise<Bytes>;
  age: () => number;
}

/** Told while it goes on. */
export type TellStage = (stage: string) => void;

export class Access {
  /** Tells one run of this program from another: its steady clock begins anew. */
  readonly #run = crypto.randomUUID();
  #early: Early | null = null;

  constructor(
    readonly keeping: Keeping,
    private readonly reach: Reach,
    private readonly here: RelayPlace,
  ) {}

  /** Raises code.*, address.*, link.*, vault.weak_pin, storage.*, network.*, unlock.*. */
  async activate(text: string, name: string, pin: string, told: TellStage): Promise<Opened> {
    const bare = !text.trim().startsWith("chappe://");
    const found = readActivation(text, this.here);
    check(pin, [name]);
    told("line");
    const judge = (address: string, least: number): void => {
      check(pin, [address], least);
    };
    const opened = await activate(this.keeping, this.reach, found, bare, name, judge);
    return this.#begin(opened, pin, told);
  }

  /** Whose lines a code makes, by the relay's word. Raises code.*, link.*, certificate.invalid, network.*. */
  async organisationOf(text: string): Promise<OrganisationOf> {
    const bare = !text.trim().startsWith("chappe://");
    const found = readActivation(text, this.here);
    const api = new HttpApi(this.reach(found.place));
    const { name, pinLength } = await organisationOf(api, found, bare);
    return { name: name && cleanName(name), pinLength };
  }

  /** Raises link.*, vault.weak_pin, storage.*, network.*, unlock.*. */
  async receiveLink(pin: string, show: (link: string) => void, told: TellStage): Promise<Opened> {
    check(pin, []);
    told("link");
    const opened = await link(this.keeping, this.reach, this.here, show);
    return this.#begin(opened, pin, told);
  }

  /** Raises storage.exists, address.malformed, network.untrusted (a link to another relay than this page's), network.*. */
  async askRecovery(wanted: RecoveryLink): Promise<RecoveryRequest> {
    const { host, port } = wanted.place;
    if (host !== this.here.host || port !== this.here.port)
      throw error("network.untrusted", "This link is for another relay than this page's.");
    const asked = await recovering.ask(this.keeping, this.reach, wanted);
    // It waits for a day.
    await askToPersist().catch(() => false);
    return asked;
  }

  async recovery(): Promise<RecoveryRequest | null> {
    return recovering.waiting(this.keeping);
  }

  /** Raises order.*, devices.too_many, line.closed, term.*, network.*, storage.missing. */
  async enterRecovered(): Promise<void> {
    await recovering.enter(this.keeping, this.reach);
  }

  /** The same, and vault.weak_pin, unlock.*. */
  async recover(pin: string, told: TellStage): Promise<Opened> {
    check(pin, [(await this.recovery())?.address ?? ""]);
    told("line");
    return this.#begin(await recovering.open(this.keeping, this.reach), pin, told);
  }

  async giveUpRecovery(): Promise<void> {
    await recovering.giveUp(this.keeping);
  }

  /** The first PIN of a profile that is open: with it the profile is finished. */
  async #begin(opened: Opened, pin: string, told: TellStage): Promise<Opened> {
    try {
      await hearPolicy(opened);
      opened.start();
      await askToPersist().catch(() => false);
      await this.#setFirstPin(opened, pin, told);
      await finish(opened);
      return opened;
    } catch (problem) {
      await opened.close();
      throw problem;
    }
  }

  async #setFirstPin(opened: Opened, pin: string, tell: Tell): Promise<void> {
    const { me } = opened.core;
    const key = await this.keeping.plainKey();
    try {
      const service = await serviceKey(opened.api);
      const { bounds } = opened.engine.obeying.known;
      const policy = bounds === null ? POLICY : withinBounds(POLICY, bounds);
      const what = { key, device: me.deviceId, place: me.place, service, policy };
      const circumstances = bounds === null ? { tell } : { tell, minDigits: bounds.pin_length };
      await setPin(this.keeping, pin, me.address, what, enroller(opened), circumstances);
    } finally {
      wipe(key);
    }
  }

  /** Somebody looks at the lock: what unlocking runs is made ready. Nothing is asked, nothing derived. */
  async warm(): Promise<void> {
    await warm((await this.keeping.current()).vault.service);
  }

  /** A PIN is being typed: its challenge comes meanwhile, and the connection to the relay with it. */
  async expect(): Promise<void> {
    if (this.#early !== null && this.#early.age() < EARLY_MS) return;
    const { vault } = await this.keeping.current();
    const challenge = this.#apiOf(vault).unlockChallenge(vault.device);
    challenge.catch(() => {});
    this.#early = { device: vault.device, challenge, age: stopwatch() };
  }

  /** The one that was asked for early, once, if it still holds; else a fresh one. */
  async #challenge(api: HttpApi, device: Uint8Array): Promise<Bytes> {
    const early = this.#early;
    this.#early = null;
    if (early !== null && equal(early.device, device) && early.age() < EARLY_MS) {
      const challenge = await early.challenge.catch(() => null);
      if (challenge !== null) return challenge;
    }
    return api.unlockChallenge(device);
  }

  /** The engine is started by whoever has it. Raises vault.*, network.*, unlock.*, storage.*. */
  async unlock(pin: string, tell: Tell): Promise<Opened> {
    const unlocked = await this.#unlock(pin, tell);
    try {
      const opened = await Opened.by(unlocked.key, this.reach);
      // One that was cut off between the two steps of its first PIN is finished now.
      await finish(opened);
      return opened;
    } finally {
      wipe(unlocked.key);
    }
  }

  async #unlock(pin: string, tell: Tell): Promise<Unlocked> {
    try {
      const around = { now: () => this.#now(), tell };
      return await unlock(this.keeping, pin, await this.#service(), around);
    } catch (problem) {
      const asks = problem instanceof ChappeError && ASK_WHY.has(problem.code);
      if (asks && (await eraseIfOrdered(this.keeping, this.reach))) {
        await settleErased(this.reach);
        throw error("device.erased");
      }
      throw problem;
    }
  }

  /** By a verified order, on a phone whose store is closed. Raises storage.*. */
  async erase(judged: Judged, place: RelayPlace): Promise<void> {
    await eraseBy(judged, await this.keeping.current(), place, this.keeping);
    await settleErased(this.reach);
  }

  async changePin(opened: Opened, old: string, next: string, tell: Tell): Promise<void> {
    const pins = { old, next };
    const minDigits = opened.engine.obeying.known.bounds?.pin_length;
    const around = { now: () => this.#now(), tell, minDigits };
    const { address } = opened.core.me;
    await opened.engine.waitOnline(ONLINE_SECONDS);
    await changePin(this.keeping, pins, address, await this.#service(), enroller(opened), around);
  }

  async setPolicy(policy: Policy): Promise<void> {
    await this.keeping.setPolicy(policy);
  }

  async #service(): Promise<{
    challenge: HttpApi["unlockChallenge"];
    guess: HttpApi["unlock"];
  }> {
    const { vault } = await this.keeping.current();
    const api = this.#apiOf(vault);
    return {
      challenge: (device) => this.#challenge(api, device),
      guess: (device, sealed) => api.unlock(device, sealed),
    };
  }

  #apiOf(vault: Vault): HttpApi {
    return new HttpApi(this.reach(placeOf(vault)));
  }

  #now(): Moment {
    return {
      wall: Math.floor(Date.now() / 1000),
      run: this.#run,
      up: Math.floor(performance.now() / 1000),
    };
  }
}

/** Milliseconds since now, by the clock that says more: one of the two stands still in sleep. */
function stopwatch(): () => number {
  const [wall, steady] = [Date.now(), performance.now()];
  return () => Math.max(Date.now() - wall, performance.now() - steady);
}

/** Why a PIN will not do, or "". */
export function ownWords(address: string): string[] {
  try {
    return [checkAddress(address)];
  } catch {
    return [address];
  }
}

/**
 * The organisation's policy waits for a new device, signed: its first PIN is held to it. Nothing else is obeyed
 * before there is a PIN, and what cannot be heard now comes with the connection.
 */
async function hearPolicy({ core, engine, api }: Opened): Promise<void> {
  const { me } = core;
  const ask = { t: "waiting" as const };
  const envelope = byDevice(
    me.server,
    me.deviceId,
    "device",
    me.signer.privateKey,
    core.now(),
    ask,
  );
  const answer = await api.fleet(envelope).catch((problem) => {
    if (problem instanceof ChappeError && isNetwork(problem)) return null;
    throw problem;
  });
  if (answer?.t !== "for_device") return;
  for (const frame of answer.orders) if (isPolicy(frame.order)) await engine.obeying.take(frame);
}

function isPolicy(order: SignedOrder): boolean {
  try {
    return readOrder(order).kind === "policy";
  } catch (problem) {
    if (problem instanceof ChappeError) return false;
    throw problem;
  }
}

/** What is kept beside the vault, cut to the bounds. */
function withinBounds(policy: Policy, bounds: FleetPolicy): Policy {
  return {
    idleSeconds: Math.min(policy.idleSeconds, bounds.idle_seconds),
    offlineHours: Math.min(policy.offlineHours, bounds.offline_hours),
  };
}

/** Until the service has it. The same bytes again are answered again. */
function enroller({ engine, core }: Opened): (prepared: Prepared) => Promise<void> {
  return async ({ sealed, unlockKey }) => {
    const { me } = core;
    const proof = me.sign(unlockKeyBytes(me.deviceId, unlockKey));
    for (let left = ENROL_TIMES - 1; ; left--) {
      try {
        await engine.waitOnline(ONLINE_SECONDS);
        await engine.connection.ask(
          (ref) => ({ t: "enrol", ref, sealed, unlock_key: unlockKey, unlock_proof: proof }),
          "done",
        );
        return;
      } catch (problem) {
        if (!(problem instanceof ChappeError) || !isNetwork(problem) || left === 0) throw problem;
        await sleep(ENROL_PAUSE_MS);
      }
    }
  };
}

/** The share service's key, pinned from here on. Raises unlock.unavailable, unlock.malformed, network.*. */
async function serviceKey(api: HttpApi): Promise<Uint8Array<ArrayBuffer>> {
  const key = fromBase64((await api.info()).share_key);
  if (key.length === 0) throw error("unlock.unavailable");
  if (key.length !== PUBLIC_KEY_BYTES)
    throw error("unlock.malformed", "The share service's key is no key; do not trust this relay.");
  return key;
}
