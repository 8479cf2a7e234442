/** A phone at work: the parts, put together; the tasks that carry out what waits. */

import { toHex } from "../wire/bytes";
import { ChappeError, type Code, error } from "../wire/errors";
import type { Typed } from "../wire/frames";
import { askMany, inTurns } from "./asking";
import { Chains } from "./chains";
import { Changes } from "./changes";
import { Connection, type Owner } from "./connection";
import { Contacts } from "./contacts";
import type { Core, Tx } from "./core";
import { Echo } from "./echo";
import type { Term } from "./face";
import { Groups } from "./groups";
import type { HttpApi } from "./http";
import { Inbox } from "./inbox";
import { Keys } from "./keys";
import { LogWatch } from "./logWatch";
import { isNetwork, Messages } from "./messages";
import { Notices } from "./notices";
import { Obeying } from "./obeying";
import { type Courier, Outbox } from "./outbox";
import { Packages } from "./packages";
import { Proofs } from "./proofs";
import { Removals } from "./removals";
import { Rules } from "./rules";
import type { Answered } from "./session";
import { Shown } from "./shown";
import { Terms } from "./terms";
import { Bell } from "./time";
import { Tokens } from "./tokens";
import { type Net, sleep } from "./transport";
import { Typing } from "./typing";

/** So long without an envelope, and the backlog counts as read even if its end did not come. */
const CATCH_UP_MS = 10_000;
const SWEEP_MS = 30_000;
/** How often conversations are looked through for keys of past epochs whose time is over. */
const EXPIRED_KEYS_SECONDS = 3600;
const POLL_MS = 20;
/** Envelopes in one change: a person's own calls come between. */
const BATCH = 64;
/** Refusals that the relay may have an order for. */
const ASK_WHY: ReadonlySet<string> = new Set([
  "signin.revoked",
  "signin.unknown_device",
  "term.suspended",
  "term.closed",
]);
/** What waits while the line's term is over. */
const SENDING: ReadonlySet<string> = new Set(["changes", "echo", "outbox"]);
const CURSOR = "cursor";
const SIBLINGS = "siblings";

type Task = "changes" | "confirm" | "echo" | "fleet" | "log" | "outbox" | "sweep" | "acks";

/** The owner of the connection. What the relay says is taken in its order, one thing after the other. */
export class Engine implements Owner {
  readonly contacts: Contacts;
  readonly groups: Groups;
  readonly rules: Rules;
  readonly messages: Messages;
  readonly notices: Notices;
  readonly chains: Chains;
  readonly proofs: Proofs;
  readonly outbox: Outbox;
  readonly typing: Typing;
  readonly tokens: Tokens;
  readonly courier: Courier;
  readonly changes: Changes;
  readonly inbox: Inbox;
  readonly keys: Keys;
  readonly shown: Shown;
  readonly removals: Removals;
  readonly connection: Connection;
  readonly log: LogWatch;
  readonly echo: Echo;
  /** Set by the owner. */
  onOnline: (online: boolean, problem: Code | "") => void = () => {};
  /** Set by the owner: the backlog is read, after each sign-in; or the line was renewed. */
  onReady: () => void = () => {};

  #bells: Record<Task, Bell>;
  #cursor = 0;
  #acknowledge = 0;
  #newest = 0;
  #caughtUp = false;
  #lastDelivery = 0;
  #lookForExpiredAt = 0;
  #siblings = 0;
  /** Of the sign-in that counts: an older greeting ends by itself. */
  #greeting = 0;
  #greeted = false;
  /** Lines that the relay was asked about since it was reached, whatever it said. */
  #asked = new Set<string>();
  #running = false;
  /** For good; before it was started it has not stopped. */
  #stopped = false;
  #fatal: ChappeError | null = null;

  private constructor(
    readonly core: Core,
    readonly obeying: Obeying,
    readonly terms: Terms,
    private readonly api: HttpApi,
    net: Net,
  ) {
    const bells = [
      "changes",
      "confirm",
      "echo",
      "fleet",
      "log",
      "outbox",
      "sweep",
      "acks",
    ] as const;
    this.#bells = Object.fromEntries(bells.map((name) => [name, new Bell()])) as Record<Task, Bell>;
    const wire = new Connection(net, core.me, this);
    this.connection = wire;
    this.contacts = new Contacts(core);
    this.groups = new Groups(core, this.contacts);
    this.rules = new Rules(() => obeying.known.bounds);
    this.messages = new Messages(core, this.groups, this.rules);
    this.notices = new Notices(core, this.messages);
    this.chains = new Chains(core, this.groups, this.messages);
    this.courier = { deliver: (messages) => api.deliver(messages) };
    this.tokens = new Tokens(core, this.groups, this.messages, wire);
    this.outbox = new Outbox(
      core,
      this.groups,
      this.contacts,
      this.messages,
      this.chains,
      wire,
      this.tokens,
      this.courier,
    );
    this.proofs = new Proofs(core, this.messages);
    this.typing = new Typing(core, this.groups, this.messages, this.outbox);
    this.log = new LogWatch(core, this.groups, api);
    this.#tieLog();
    this.changes = new Changes(
      core,
      this.groups,
      this.contacts,
      this.messages,
      this.notices,
      this.outbox,
      new Packages(core, this.groups, this.contacts, wire, this.log),
      wire,
    );
    this.keys = new Keys(core, wire);
    this.inbox = new Inbox(
      core,
      this.groups,
      this.contacts,
      this.keys,
      this.messages,
      this.chains,
      this.proofs,
      this.changes,
      this.notices,
      this.outbox,
      this.tokens,
      this.log.alarms,
    );
    this.echo = new Echo(core, this.groups, this.tokens, this.courier, this.log.alarms);
    this.inbox.onHeard = (tx) => this.echo.heard(tx);
    this.outbox.onSent = () => this.echo.said();
    this.removals = new Removals(core, this.groups, this.changes, obeying, wire, api);
    this.shown = new Shown(core, this.groups);
    this.shown.inDoubt = (id) => this.log.doubts.inDoubt(id);
    obeying.onReports = () => this.#bells.fleet.ring();
    this.changes.onAbsent = (conversation, order, device) => {
      this.removals.settle(conversation, order, device);
      this.#bells.fleet.ring();
    };
    this.messages.onExpiry = () => this.#bells.sweep.ring();
    this.contacts.onImpostor = (tx, address, key) => this.changes.putOut(tx, address, key);
    this.contacts.onChanged = (tx, address) => this.notices.ofIdentity(tx, address);
    this.changes.onEpoch = async (tx, conversation) => {
      await this.inbox.openHeld(tx, conversation);
      await this.inbox.confirm(tx);
      tx.after(() => this.wake());
    };
  }

  /** What the transparency log hears, and what it has to say. */
  #tieLog(): void {
    const look = (tx: Tx): void => tx.after(() => this.#bells.log.ring());
    this.groups.onEntered = (tx, id, identity, welcomed) => {
      if (this.log.entered(tx, id, identity, welcomed)) look(tx);
    };
    this.contacts.onSalt = async (tx, address, line, salt) => {
      this.log.doubts.learnSalt(tx, address, line, salt);
      if (address === this.core.me.address) await this.log.lookAtOwnLine(tx);
    };
    this.messages.logHead = () => this.log.head();
    this.messages.onLogHead = (tx, { conversation, address }, head) => {
      if (this.log.heard(conversation, address, head)) look(tx);
    };
    this.log.doubts.onNotice = async (tx, conversation, what, address) => {
      if (this.groups.has(conversation))
        await this.messages.insertNotice(tx, conversation, { what, who: [address], value: "" });
    };
    this.outbox.isForked = () => this.log.alarms.forked;
    this.outbox.isInDoubt = (id, forAPerson) =>
      forAPerson ? this.log.doubts.inDoubt(id).length > 0 : this.log.doubts.holdsBack(id);
  }

  static async open(core: Core, net: Net, api: HttpApi): Promise<Engine> {
    const [obeying, terms, cursor, siblings] = await Promise.all([
      Obeying.open(core),
      Terms.open(core),
      core.meta<number>(CURSOR),
      core.meta<number>(SIBLINGS),
    ]);
    const engine = new Engine(core, obeying, terms, api, net);
    engine.#cursor = cursor ?? 0;
    engine.#siblings = siblings ?? 0;
    await Promise.all([engine.log.load(), engine.echo.load()]);
    return engine;
  }

  // --- life

  start(): void {
    this.#running = true;
    const tasks = [
      this.connection.run(),
      this.#work("changes", () => this.#pumpChanges()),
      this.#work("confirm", () => this.#pumpConfirm()),
      this.#work("echo", () => this.echo.pump()),
      this.#work("fleet", () => this.removals.pump()),
      this.#work("log", () => this.#pumpLog()),
      this.#work("outbox", () => this.#pumpOutbox()),
      this.#sayAcks(),
      this.#housekeeping(),
    ];
    for (const task of tasks) task.catch((problem) => this.#broke(problem));
  }

  /** A task that ends by itself with an error is a bug: say so instead of standing still. */
  #broke(problem: unknown): void {
    if (!this.#running) return;
    this.#fatal = problem instanceof ChappeError ? problem : error("internal.bug");
    this.onOnline(false, this.#fatal.code);
  }

  /** Disconnect; what is under way in the store is finished first. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#stopped = true;
    this.connection.close();
    for (const bell of Object.values(this.#bells)) bell.ring();
    await this.core.quiet();
  }

  /** Redeem a code for this line: what waits goes out then. Raises code.*, term.*, network.*. */
  async renew(code: string): Promise<Term> {
    const term = await this.terms.renew(this.api, code);
    this.comeBack();
    this.#goOn();
    return term;
  }

  /** A connection that ended because the line was suspended is tried again: it may be renewed by now. */
  comeBack(): void {
    if (this.#running && this.connection.revive())
      this.connection.run().catch((problem) => this.#broke(problem));
  }

  /** Something was queued. */
  wake(): void {
    for (const name of ["changes", "confirm", "fleet", "log", "outbox"] as const)
      this.#bells[name].ring();
  }

  get online(): boolean {
    return this.connection.online;
  }

  /** Online, and what waited is read. */
  get ready(): boolean {
    return this.online && this.#caughtUp;
  }

  /**
   * Something waits at the relay, it was said: come back, or make sure that the socket lives, and read it. Gives
   * whether all of it is read within `seconds`.
   */
  async fetched(seconds: number): Promise<boolean> {
    try {
      await this.check();
      await this.#until(() => this.ready, seconds);
      return true;
    } catch (problem) {
      if (problem instanceof ChappeError) return false;
      throw problem;
    }
  }

  /** Whether the socket lives; a dead one is let go, and another one opened. */
  async check(): Promise<void> {
    await this.connection.check((ref) => lookup(ref, this.core.me.address));
  }

  /** Whether the line had other devices when that was last asked. */
  get hasSiblings(): boolean {
    return this.#siblings > 0;
  }

  // --- what the connection tells

  async opened(welcome: Typed<"welcome">): Promise<void> {
    // The relay counts anew. What comes twice is known by its keys and ids.
    if (welcome.newest < this.#cursor) this.#cursor = 0;
    this.#newest = welcome.newest;
    this.#caughtUp = false;
    this.#greeted = false;
    this.#lastDelivery = Date.now();
    this.#asked.clear();
    this.outbox.reconnected();
    this.tokens.reconnected();
    this.removals.reconnected();
    this.log.reconnected();
    this.onOnline(true, "");
    this.#checkCaughtUp();
    const greeting = ++this.#greeting;
    this.#greet(welcome, greeting).catch((problem) => this.#broke(problem));
  }

  async delivered(envelopes: Typed<"deliver">[]): Promise<void> {
    for (let start = 0; start < envelopes.length; start += BATCH)
      await this.#take(envelopes.slice(start, start + BATCH));
  }

  async answered(answers: Answered[]): Promise<void> {
    await this.outbox.answered(answers);
    this.wake();
  }

  async ordered(order: Typed<"order">): Promise<void> {
    await this.obeying.take(order);
    this.wake();
  }

  async termed(term: Typed<"term">): Promise<void> {
    await this.terms.take(term);
    this.#goOn();
  }

  /** The term is another: where it lets this line send, what waited goes out, files too. */
  #goOn(): void {
    this.wake();
    if (this.ready && this.terms.maySend) this.onReady();
  }

  async posted(posted: Typed<"posted">): Promise<void> {
    await this.removals.posted(posted);
    this.wake();
  }

  lost(reason: ChappeError): void {
    if (ASK_WHY.has(reason.code)) this.removals.askWhy().catch((problem) => this.#broke(problem));
    this.#caughtUp = false;
    if (this.#running) this.onOnline(false, reason.code);
  }

  async #take(envelopes: Typed<"deliver">[]): Promise<void> {
    const last = envelopes.at(-1);
    if (last === undefined || !this.#running) return;
    this.#cursor = await this.core.change(async (tx) => {
      let cursor = this.#cursor;
      for (const { sequence, id, payload, at } of envelopes) {
        if (sequence <= cursor) continue;
        // The relay's word, as far as it can be: it lets nothing come later than now.
        if (!this.echo.took(tx, id))
          await this.inbox.take(tx, payload, Math.min(at, this.core.now()));
        cursor = sequence;
      }
      await this.inbox.confirm(tx);
      this.core.setMeta(tx, CURSOR, cursor);
      return cursor;
    });
    this.#acknowledge = last.sequence;
    this.#lastDelivery = Date.now();
    this.#bells.acks.ring();
    this.#checkCaughtUp();
    this.wake();
  }

  #checkCaughtUp(): void {
    const quiet = Date.now() - this.#lastDelivery;
    if (this.#caughtUp || (this.#cursor < this.#newest && quiet <= CATCH_UP_MS)) return;
    this.#caughtUp = true;
    this.wake();
  }

  // --- after each sign-in

  /** Key packages, own devices, files that were under way. */
  async #greet(welcome: Typed<"welcome">, greeting: number): Promise<void> {
    const counts = (): boolean => this.#running && this.#greeting === greeting;
    try {
      await this.keys.refill(welcome.key_packages, welcome.last_resort);
      while (counts() && !this.#caughtUp) {
        await sleep(POLL_MS);
        this.#checkCaughtUp();
      }
      if (!counts()) return;
      await this.reconcile();
      if (counts()) this.onReady();
    } catch (problem) {
      if (!(problem instanceof ChappeError)) throw problem;
    } finally {
      if (counts()) this.#greeted = true;
    }
  }

  /** Let this line's devices into every conversation that they miss. Raises network.*. */
  async reconcile(): Promise<void> {
    const { address, device } = this.core.me;
    const line = await this.connection.ask((ref) => lookup(ref, address), "line");
    const devices = (await this.contacts.takeAnswer(address, line))
      .map((one) => toHex(one.certificate.deviceId))
      .filter((one) => this.changes.orderedOut(one) === undefined);
    this.#siblings = devices.length - 1;
    await this.core.change(async (tx) => {
      this.core.setMeta(tx, SIBLINGS, this.#siblings);
      for (const other of devices) {
        if (other === device) continue;
        const present = this.groups.ofDevice(other);
        for (const id of this.groups.active())
          if (!present.has(id))
            await this.changes.want(tx, id, { kind: "add", address, packages: null });
      }
    });
    this.wake();
  }

  // --- tasks

  async #sayAcks(): Promise<void> {
    while (this.#running) {
      await this.#bells.acks.wait();
      try {
        await this.connection.say({ t: "ack", sequence: this.#acknowledge });
      } catch (problem) {
        if (!(problem instanceof ChappeError)) throw problem;
      }
    }
  }

  #toConfirm(): string[] {
    return this.contacts.unconfirmed().filter((address) => !this.#asked.has(address));
  }

  /** Ask the relay who the lines are that only a group has named. Raises network.*, limit.rate. */
  async #pumpConfirm(): Promise<void> {
    for (const some of inTurns(this.#toConfirm())) {
      const asked = some.map((address) => ({ address, devices: null, packages: false }));
      const answers = await askMany(this.connection, this.contacts, asked);
      for (const [address, answer] of answers) {
        if (answer instanceof ChappeError) {
          if (answer.code === "address.unknown") await this.contacts.deny(address);
          else if (isNetwork(answer) || answer.code.startsWith("limit.")) throw answer;
        }
        this.#asked.add(address);
      }
      this.wake();
    }
  }

  /** Many at once; `told` hears how many are known. Raises address.unknown, certificate.invalid,
   * identity.changed, network.*: of the first that is refused. */
  async askWho(addresses: string[], told: (done: number) => void = () => {}): Promise<void> {
    let done = 0;
    for (const some of inTurns(addresses)) {
      const asked = some.map((address) => ({ address, devices: null, packages: false }));
      const answers = await askMany(this.connection, this.contacts, asked);
      for (const address of some) {
        const answer = answers.get(address);
        if (answer instanceof ChappeError) throw answer;
      }
      done += some.length;
      told(done);
    }
  }

  /** Ask the transparency log what waits for its word. Raises network.*. */
  async #pumpLog(): Promise<void> {
    const waits = await this.log.pump();
    this.#bells.outbox.ring();
    if (!waits) return;
    await sleep(this.log.pace.pollMs);
    this.#bells.log.ring();
  }

  async #pumpChanges(): Promise<void> {
    if (await this.changes.pump()) {
      this.wake();
      await sleep(POLL_MS);
    } else this.#bells.outbox.ring();
  }

  async #pumpOutbox(): Promise<void> {
    await this.tokens.pump((tx, ...put) => this.outbox.put(tx, ...put));
    await this.outbox.pump();
  }

  async #work(name: Exclude<Task, "sweep" | "acks">, pump: () => Promise<void>): Promise<void> {
    while (this.#running) {
      await this.#bells[name].wait();
      if (!this.#running || !this.online || !this.#caughtUp) continue;
      if (SENDING.has(name) && !this.terms.maySend) continue;
      try {
        await pump();
      } catch (problem) {
        if (!(problem instanceof ChappeError)) throw problem;
        if (isNetwork(problem)) continue;
        await sleep(1000);
        this.#bells[name].ring();
      }
    }
  }

  async #housekeeping(): Promise<void> {
    while (this.#running) {
      let next: number | null = null;
      try {
        next = await this.messages.sweep();
        if (this.ready) {
          await this.chains.sweep();
          const due = this.chains.nextDue();
          if (due !== null) next = Math.min(next ?? due, due);
        }
        await this.changes.wantFreshLeaves();
        await this.#dropExpired();
      } catch (problem) {
        // A disk that is full now may not be later: this task goes on.
        if (!(problem instanceof ChappeError) || problem.fault !== "storage") throw problem;
      }
      this.wake();
      this.#bells.echo.ring();
      const due = next === null ? SWEEP_MS : next * 1000 - Date.now();
      await this.#bells.sweep.wait(Math.min(SWEEP_MS, Math.max(200, due)));
    }
  }

  async #dropExpired(): Promise<void> {
    const now = this.core.now();
    if (now < this.#lookForExpiredAt) return;
    this.#lookForExpiredAt = now + EXPIRED_KEYS_SECONDS;
    await this.core.change(async (tx) => {
      await this.groups.dropExpired(tx);
      await this.proofs.dropExpired(tx);
    });
  }

  // --- waiting

  /** Raises what keeps the phone offline: once time is up, and at once where that is for good. */
  async waitOnline(seconds: number): Promise<void> {
    await this.#until(() => this.online, seconds);
  }

  /** Until the backlog is read and nothing waits. Raises network.*, and for good signin.*. */
  async settled(seconds: number): Promise<void> {
    await this.#until(
      () =>
        this.online &&
        this.#caughtUp &&
        this.#greeted &&
        this.#toConfirm().length === 0 &&
        !this.log.busy &&
        (!this.terms.maySend || (this.tokens.idle && this.outbox.empty && this.changes.idle)),
      seconds,
    );
  }

  async #until(holds: () => boolean, seconds: number): Promise<void> {
    const deadline = Date.now() + seconds * 1000;
    while (!holds()) {
      const fatal = this.#fatal ?? this.connection.fatal;
      if (fatal !== null) throw fatal;
      if (this.#stopped) throw error("vault.locked");
      if (Date.now() > deadline) {
        const reason = this.online ? null : this.connection.lastError;
        throw reason ?? error("network.timeout");
      }
      await sleep(POLL_MS);
    }
  }
}

const lookup = (ref: number, address: string) => ({
  t: "lookup" as const,
  ref,
  address,
  key_packages: false,
  devices: null,
});
