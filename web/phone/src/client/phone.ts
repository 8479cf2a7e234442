/** The phone: `PhoneFace` on the parts that do it. One lives in the worker, from its start to its end. */

import { forget, tombstone } from "../vault/erase";
import { isPersisted } from "../vault/eviction";
import { Keeping } from "../vault/keeping";
import { check, judge, MIN_DIGITS, type PinReason } from "../vault/pins";
import { Session } from "../vault/session";
import { Turns } from "../vault/turns";
import { IDLE_SECONDS, MAX_IDLE, MAX_OFFLINE_HOURS, MIN_IDLE } from "../vault/vault";
import { toHex } from "../wire/bytes";
import { asChappeError, error } from "../wire/errors";
import { authority, type RelayPlace } from "../wire/links";
import type { FleetPolicy } from "../wire/orders";
import { parseRecovery } from "../wire/recovery";
import { firstTimer } from "../wire/timers";
import { Access, ownWords, type TellStage } from "./access";
import { Conversing, type TellGroup } from "./conversing";
import { Devices } from "./devices";
import { layDown, settleErased } from "./erasing";
import type {
  Attachment,
  Bounds,
  Contact,
  Conversation,
  DeviceInfo,
  Erased,
  Event,
  Hit,
  Knocked,
  Me,
  Message,
  OrganisationOf,
  OwnOrder,
  OwnOrderKind,
  PhoneFace,
  PinProblem,
  RecoveryRequest,
  ReportView,
  SafetyNumber,
  Settings,
  Stage,
  Term,
  Transparency,
} from "./face";
import { LogFace } from "./logFace";
import { type Opened, type Reach, reachByBrowser } from "./opened";
import { Ordering } from "./ordering";
import type { Judged } from "./orders";
import { leaveSubscription } from "./pushes";
import { Reporting } from "./reporting";
import { Telling } from "./telling";
import { sleep } from "./transport";
import { Writing } from "./writing";

const SETTINGS = "settings";
/** A service worker that was knocked for waits for the page no longer (sw/push.ts). */
const FETCH_SECONDS = 10;
/** Whoever looks at a phone that has heard nothing for so long sees what there is, and no dead socket. */
const SILENT_MS = 60_000;
/** So long the connection waits for the list to be asked for. */
const LIST_MS = 500;
/** What is under way when the phone is locked or erased may take so long to end. */
const CLOSING_MS = 5_000;

const DEFAULTS: Settings = {
  readReceipts: true,
  typing: true,
  idleSeconds: IDLE_SECONDS,
  lockOnHide: false,
  offlineHours: 0,
  notifications: true,
  notices: "name",
};

/** What is there while the profile is open. */
interface At {
  opened: Opened;
  session: Session;
  conversing: Conversing;
  writing: Writing;
  devices: Devices;
  ordering: Ordering;
  log: LogFace;
}

export interface PhoneOptions {
  /** The relay that served the pages. */
  here: RelayPlace;
  reach?: Reach;
  /** Told of each profile that opens: for tests that play a hostile relay. */
  onOpened?: (opened: Opened) => void;
}

export class Phone implements PhoneFace {
  #at: At | null = null;
  #settings = DEFAULTS;
  #telling = new Telling();
  /** One way in or out at a time. */
  #busy = false;
  /** Until the profile that was open before is closed. */
  #closing: Promise<void> = Promise.resolve();
  /** Settings are written by one at a time: a person, or an order. */
  #saving = new Turns();

  private constructor(
    private access: Access,
    private readonly makeAccess: () => Promise<Access>,
    private readonly reach: Reach,
    private readonly onOpened: (opened: Opened) => void,
  ) {}

  static async start({
    here,
    reach = reachByBrowser,
    onOpened = () => {},
  }: PhoneOptions): Promise<Phone> {
    // An erasing that was cut off goes on before anything else.
    await settleErased(reach);
    const makeAccess = async (): Promise<Access> => new Access(await Keeping.open(), reach, here);
    return new Phone(await makeAccess(), makeAccess, reach, onOpened);
  }

  get #keeping(): Keeping {
    return this.access.keeping;
  }

  /** Where a profile was erased, another may begin: the tombstone goes with that. */
  async #beginAnew(): Promise<void> {
    if ((await tombstone()) === null) return;
    // The receipt goes with the tombstone: once more, while it is there.
    await settleErased(this.reach);
    await forget();
    this.#keeping.close();
    this.access = await this.makeAccess();
  }

  // --- where it stands

  async stage(): Promise<Stage> {
    if (this.#at !== null) return "open";
    if ((await tombstone()) !== null) return "erased";
    return (await this.#keeping.stage()) === "pin" ? "locked" : "none";
  }

  async erased(): Promise<Erased | null> {
    const stone = await tombstone();
    if (stone === null) return null;
    const { at, reason, order, delivered } = stone;
    return { at, reason, order: toHex(order), receiptDelivered: delivered };
  }

  async me(): Promise<Me> {
    const { me } = this.#here.opened.core;
    return {
      address: me.address,
      line: me.line,
      device: me.device,
      relay: authority(me.place),
      hasPin: (await this.#keeping.stage()) === "pin",
    };
  }

  async listen(listener: (event: Event) => void): Promise<() => void> {
    return this.#telling.listen(listener);
  }

  get #here(): At {
    if (this.#at === null) throw error("vault.locked");
    return this.#at;
  }

  // --- coming in, going out

  async activate(link: string, name: string, pin: string, tell: TellStage): Promise<Me> {
    await this.#beginAnew();
    return this.#enter(() => this.access.activate(link, name, pin, tell));
  }

  async receiveLink(pin: string, show: (link: string) => void, tell: TellStage): Promise<Me> {
    await this.#beginAnew();
    return this.#enter(() => this.access.receiveLink(pin, show, tell));
  }

  async askRecovery(link: string): Promise<RecoveryRequest> {
    const wanted = parseRecovery(link);
    await this.#beginAnew();
    return this.#alone(() => this.access.askRecovery(wanted));
  }

  async recovery(): Promise<RecoveryRequest | null> {
    if (this.#at !== null || this.#busy || (await tombstone()) !== null) return null;
    return this.access.recovery();
  }

  async enterRecovered(): Promise<void> {
    await this.#alone(() => this.access.enterRecovered());
  }

  async recover(pin: string, tell: TellStage): Promise<Me> {
    return this.#enter(() => this.access.recover(pin, tell));
  }

  async giveUpRecovery(): Promise<void> {
    await this.#alone(() => this.access.giveUpRecovery());
  }

  async warm(): Promise<void> {
    if (this.#at === null && !this.#busy) await this.access.warm();
  }

  async expect(): Promise<void> {
    if (this.#at === null && !this.#busy) await this.access.expect();
  }

  async unlock(pin: string, tell: TellStage): Promise<void> {
    await this.#enter(() => this.access.unlock(pin, tell)).catch((problem) => {
      if (asChappeError(problem).code === "device.erased")
        this.#telling.tell({ type: "stage", stage: "erased" });
      throw problem;
    });
  }

  /** While nothing is open, and nothing else is under way. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy || this.#at !== null) throw error("storage.exists", "Something is under way.");
    this.#busy = true;
    try {
      await this.#closing;
      return await work();
    } finally {
      this.#busy = false;
    }
  }

  async #enter(open: () => Promise<Opened>): Promise<Me> {
    await this.#alone(async () => {
      const opened = await open();
      const kept = { ...DEFAULTS, ...(await opened.core.meta<Settings>(SETTINGS)) };
      this.#settings = kept;
      this.#take(opened);
      // A policy that came before anybody listened, or was cut off, holds all the same.
      const { bounds } = opened.engine.obeying.known;
      if (bounds !== null && !sameRules(within(kept, bounds), kept)) await this.#bound(bounds);
    });
    this.#telling.tell({ type: "stage", stage: "open" });
    return this.me();
  }

  #take(opened: Opened): void {
    const { engine, core, attachments } = opened;
    const session = new Session(this.#settings);
    this.#at = {
      opened,
      session,
      conversing: new Conversing(opened),
      writing: new Writing(opened),
      devices: new Devices(opened),
      ordering: new Ordering(opened),
      log: new LogFace(core, engine.groups, engine.log),
    };
    engine.rules.wantsReceipts = () => this.#settings.readReceipts;
    // Who does not say it does not see it.
    core.onDone = (done) =>
      this.#telling.publish(opened, this.#settings.typing ? done : { ...done, typing: [] });
    engine.onOnline = (online, problem) => this.#telling.tell({ type: "online", online, problem });
    engine.terms.onTerm = (term) => this.#telling.tell({ type: "term", term });
    attachments.onProgress = (message) => this.#telling.progress(opened, message);
    this.#telling.tell({ type: "online", online: engine.online, problem: "" });
    this.onOpened(opened);
    // The list comes first (`conversations`); where nobody asks for it, this.
    setTimeout(() => opened.start(), LIST_MS);
    session.atLock(() => {
      this.#at = null;
      // Nothing of it answers any more; what is under way in the store ends first, if it does.
      this.#closing = ended(opened);
      this.#closing.then(() => this.#telling.tell({ type: "stage", stage: "locked" }));
    });
    core.store.onLost = () => session.lock();
    const { obeying } = engine;
    obeying.onKnown = (known) => layDown(this.#keeping, known);
    obeying.onBounds = ({ order }) => this.#bound(order.policy);
    obeying.onOrder = (judged) => this.#obey(opened, judged);
    layDown(this.#keeping, obeying.known).catch(() => {});
  }

  // --- by order

  /** An order to lock or sign out ends the session; one to erase ends everything. */
  #obey(opened: Opened, judged: Judged): void {
    const { kind } = judged.order;
    if (kind === "lock") {
      // The receipt goes out first, if the relay can be reached.
      opened.engine.removals
        .report()
        .catch(() => {})
        .then(() => this.lock());
      return;
    }
    if (kind !== "erase") return;
    this.#erase(opened, judged).catch((problem) =>
      this.#telling.tell({ type: "failed", code: asChappeError(problem).code, conversation: null }),
    );
  }

  /** Nothing that is under way, and nothing that fails, keeps what an order destroys. */
  async #erase(opened: Opened, judged: Judged): Promise<void> {
    const { place } = opened.core.me;
    await Promise.allSettled([this.lock(), ended(opened)]);
    await this.access.erase(judged, place);
    this.#telling.tell({ type: "stage", stage: "erased" });
  }

  /** What a person may allow themselves is cut to what the organisation allows. */
  async #bound(bounds: FleetPolicy | null): Promise<void> {
    if (bounds === null || this.#at === null) return;
    await this.#write(() => within(this.#settings, bounds));
  }

  /** Let go of every key. */
  async lock(): Promise<void> {
    this.#at?.session.lock();
    await this.#closing;
  }

  async organisationOf(link: string): Promise<OrganisationOf> {
    return this.access.organisationOf(link);
  }

  async judgePin(pin: string, address: string, least = MIN_DIGITS): Promise<PinProblem | null> {
    const bounds = this.#at?.opened.engine.obeying.known.bounds;
    const digits = Math.max(least, bounds?.pin_length ?? MIN_DIGITS);
    const problem = judge(pin, ownWords(address), digits);
    return problem && { reason: problem.detail.reason as PinReason, least: digits };
  }

  async changePin(old: string, next: string, tell: TellStage): Promise<void> {
    const { opened } = this.#here;
    const { bounds } = opened.engine.obeying.known;
    check(next, [opened.core.me.address], bounds?.pin_length);
    await this.access.changePin(opened, old, next, tell);
  }

  async touch(): Promise<void> {
    if (this.#at?.session.touch()) this.#hurry();
  }

  async visible(seen: boolean): Promise<void> {
    this.#at?.session.visible(seen);
    if (seen) this.#hurry();
    const engine = this.#at?.opened.engine;
    if (seen && engine?.online && engine.connection.silence > SILENT_MS) await engine.check();
  }

  async knocked(): Promise<Knocked> {
    const at = this.#at;
    if (at === null || !at.session.look()) return "locked";
    const read = await at.opened.engine.fetched(FETCH_SECONDS);
    if (this.#at !== at) return "locked";
    await this.#telling.told();
    return read ? "read" : "late";
  }

  /** Not later than need be: the network may be there again. */
  #hurry(): void {
    const engine = this.#at?.opened.engine;
    if (engine === undefined || engine.online) return;
    engine.comeBack();
    engine.connection.hurry();
  }

  async network(present: boolean): Promise<void> {
    const connection = this.#at?.opened.engine.connection;
    if (present) connection?.hurry();
    else connection?.drop();
  }

  // --- the term

  async term(): Promise<Term | null> {
    return this.#here.opened.engine.terms.term;
  }

  async transparency(): Promise<Transparency> {
    return this.#here.log.standing();
  }

  async readLog(): Promise<Transparency> {
    await this.#here.opened.engine.log.refresh();
    return this.#here.log.standing();
  }

  async logEvidence(): Promise<string> {
    return this.#here.log.evidence();
  }

  async settleAlarm(number: number): Promise<void> {
    await this.#here.log.settle(number);
    this.#here.opened.engine.wake();
  }

  async startOver(): Promise<Transparency> {
    const { log, opened } = this.#here;
    await log.startOver();
    opened.engine.wake();
    return log.standing();
  }

  async acceptUnlogged(id: string): Promise<void> {
    await this.#here.log.accept(id);
    this.#here.opened.engine.wake();
  }

  async runs(release: string): Promise<void> {
    const { engine } = this.#here.opened;
    engine.log.runs(release);
    engine.wake();
  }

  async renew(code: string): Promise<Term> {
    return this.#here.opened.engine.renew(code);
  }

  // --- devices

  async devices(): Promise<DeviceInfo[]> {
    return this.#here.devices.all();
  }

  async orderDevice(kind: OwnOrderKind, device: string, reason: string): Promise<string> {
    return this.#here.ordering.give(kind, device, reason);
  }

  async ownOrders(): Promise<OwnOrder[]> {
    return this.#here.ordering.all();
  }

  async giveLink(text: string): Promise<void> {
    await this.#here.devices.giveLink(text);
  }

  // --- conversations and people

  async conversations(): Promise<Conversation[]> {
    const { opened } = this.#here;
    const found = await opened.engine.shown.conversations();
    // One thread does all: what the connection brings is worked on once the list is on its way.
    setTimeout(() => opened.start());
    return found;
  }

  async conversation(id: string): Promise<Conversation> {
    return this.#here.opened.engine.shown.conversation(id);
  }

  async conversationWith(address: string): Promise<Conversation> {
    return this.#here.conversing.with(address);
  }

  async createGroup(name: string, addresses: string[], told?: TellGroup): Promise<Conversation> {
    return this.#here.conversing.createGroup(name, addresses, told);
  }

  async add(id: string, address: string): Promise<void> {
    await this.#here.conversing.add(id, address);
  }

  async remove(id: string, address: string): Promise<void> {
    await this.#here.conversing.remove(id, address);
  }

  async leave(id: string): Promise<void> {
    await this.#here.conversing.leave(id);
  }

  async rename(id: string, name: string): Promise<void> {
    await this.#here.conversing.rename(id, name);
  }

  async setTimer(id: string, seconds: number): Promise<void> {
    await this.#here.conversing.setTimer(id, seconds);
  }

  async setMuted(id: string, muted: boolean): Promise<void> {
    await this.#here.conversing.setMuted(id, muted);
  }

  async setDraft(id: string, text: string): Promise<void> {
    await this.#here.conversing.setDraft(id, text);
  }

  async markRead(id: string): Promise<void> {
    await this.#here.conversing.markRead(id);
  }

  async typing(id: string): Promise<void> {
    const { writing } = this.#here;
    if (this.#settings.typing) await writing.typing(id);
  }

  async contacts(): Promise<Contact[]> {
    return this.#here.conversing.contacts();
  }

  async contact(address: string): Promise<Contact> {
    return this.#here.conversing.contact(address);
  }

  async safetyNumber(address: string): Promise<SafetyNumber> {
    return this.#here.conversing.safetyNumber(address);
  }

  async markVerified(address: string, identity: string): Promise<void> {
    await this.#here.conversing.markVerified(address, identity);
  }

  async acceptIdentity(address: string, identity: string): Promise<void> {
    await this.#here.conversing.acceptIdentity(address, identity);
  }

  async roster(id: string): Promise<DeviceInfo[]> {
    return this.#here.conversing.roster(id);
  }

  // --- messages

  async messages(id: string, before: number, count: number): Promise<Message[]> {
    return this.#here.writing.messages(id, before, count);
  }

  async search(words: string, count: number): Promise<Hit[]> {
    return this.#here.writing.search(words, count);
  }

  async sendText(id: string, text: string, replyTo: string | null): Promise<string> {
    return this.#here.writing.sendText(id, text, replyTo);
  }

  async sendFile(id: string, file: Blob, name: string, meta: Partial<Attachment>): Promise<string> {
    return this.#here.writing.sendFile(id, file, name, meta);
  }

  async edit(id: string, message: string, text: string): Promise<void> {
    await this.#here.writing.edit(id, message, text);
  }

  async react(id: string, message: string, emoji: string): Promise<void> {
    await this.#here.writing.react(id, message, emoji);
  }

  async deleteForAll(id: string, message: string): Promise<void> {
    await this.#here.writing.deleteForAll(id, message);
  }

  async deleteHere(id: string, message: string): Promise<void> {
    await this.#here.writing.deleteHere(id, message);
  }

  async retry(id: string, message: string): Promise<void> {
    await this.#here.writing.retry(id, message);
  }

  async openFile(id: string, message: string): Promise<Blob | null> {
    return this.#here.writing.openFile(id, message);
  }

  async readFile(id: string, message: string): Promise<ReadableStream<Uint8Array> | null> {
    return this.#here.writing.readFile(id, message);
  }

  async cancelFile(id: string, message: string): Promise<void> {
    await this.#here.writing.cancelFile(id, message);
  }

  // --- settings

  async settings(): Promise<Settings> {
    void this.#here;
    return this.#settings;
  }

  async reportView(message: string): Promise<ReportView | null> {
    return new Reporting(this.#here.opened).offered(message);
  }

  async makeReport(message: string, reason: string): Promise<File> {
    return new Reporting(this.#here.opened).make(message, reason);
  }

  async bounds(): Promise<Bounds | null> {
    const { bounds } = this.#here.opened.engine.obeying.known;
    return bounds && shownBounds(bounds);
  }

  /** Raises usage.invalid. */
  async saveSettings(settings: Settings): Promise<void> {
    await this.#write(() => settings);
  }

  async #write(make: () => Settings): Promise<void> {
    const turn = this.#saving.take();
    await turn.come;
    try {
      await this.#writeNow(make());
    } finally {
      turn.release();
    }
  }

  async #writeNow(settings: Settings): Promise<void> {
    const { opened, session } = this.#here;
    const { idleSeconds, offlineHours } = settings;
    const fits =
      Number.isInteger(idleSeconds) &&
      Number.isInteger(offlineHours) &&
      idleSeconds >= MIN_IDLE &&
      idleSeconds <= MAX_IDLE &&
      offlineHours >= 0 &&
      offlineHours <= MAX_OFFLINE_HOURS;
    const { bounds } = opened.engine.obeying.known;
    const allowed = bounds === null ? settings : within(settings, bounds);
    if (!fits || !sameRules(allowed, settings))
      throw error("usage.invalid", "That is not within what the organisation allows.");
    await this.access.setPolicy({ idleSeconds, offlineHours });
    await opened.core.change((tx) => opened.core.setMeta(tx, SETTINGS, settings));
    this.#settings = settings;
    session.setRules(settings);
    this.#telling.tell({ type: "settings", settings, bounds: bounds && shownBounds(bounds) });
  }

  async persisted(): Promise<boolean> {
    return isPersisted();
  }

  async subscribePush(subscription: PushSubscriptionJSON | null): Promise<void> {
    await leaveSubscription(this.#here.opened.engine.connection, subscription);
  }

  async pushKey(): Promise<string> {
    return (await this.#here.opened.api.info()).push_key;
  }

  /** Both ends: what is queued has left, what waited is read. For tests and for closing in good order. */
  async settled(seconds: number): Promise<void> {
    await this.#here.opened.engine.settled(seconds);
  }
}

/** No transfer, and no relay that leaves one without an answer, keeps a phone open, or its keys. */
async function ended(opened: Opened): Promise<void> {
  await Promise.race([opened.close().catch(() => {}), sleep(CLOSING_MS)]);
  opened.core.store.close();
}

const within = (settings: Settings, bounds: FleetPolicy): Settings => ({
  ...settings,
  idleSeconds: Math.min(settings.idleSeconds, bounds.idle_seconds),
  offlineHours: Math.min(settings.offlineHours, bounds.offline_hours),
  // Kept by a program that did not know it, there may be none.
  lockOnHide: settings.lockOnHide || bounds.lock_on_hide === true,
});

const sameRules = (one: Settings, other: Settings): boolean =>
  one.idleSeconds === other.idleSeconds &&
  one.offlineHours === other.offlineHours &&
  one.lockOnHide === other.lockOnHide;

const shownBounds = (bounds: FleetPolicy): Bounds => ({
  idleSeconds: bounds.idle_seconds,
  offlineHours: bounds.offline_hours,
  pinLength: bounds.pin_length,
  lockOnHide: bounds.lock_on_hide === true,
  disappearFirst: firstTimer(bounds.disappear_default, bounds.disappear_max),
  disappearMax: bounds.disappear_max,
  receipts: bounds.receipts,
});
