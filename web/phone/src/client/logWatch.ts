/**
 * The watch over the relay's transparency log (docs/protocol.md section 14): it pins the log's policy, reads what is
 * new, holds every device that this phone is to write to against it, and raises the alarm. As
 * src/chappe/client/log_watch.py. A relay that had no log when this phone first met it is not watched.
 */

import { TlogError } from "../tlog/errors";
import { type Fetch, TileReader } from "../tlog/tileReader";
import { tilePath } from "../tlog/tiles";
import { Turns } from "../vault/turns";
import { type Bytes, toHex } from "../wire/bytes";
import type { DeviceCertificate } from "../wire/certificate";
import type { LogHead } from "../wire/content";
import { ChappeError, error } from "../wire/errors";
import { verifiedCertificate } from "./contacts";
import type { Core, Tx } from "./core";
import type { Groups } from "./groups";
import type { HttpApi } from "./http";
import { Alarms, type Raised } from "./logAlarms";
import { Doubts } from "./logDoubts";
import { Ledger } from "./logLedger";
import { OwnLine } from "./logOwn";
import { Broken } from "./logState";
import { LogStore } from "./logStore";
import { sleep } from "./transport";

/** A head that is older is one that the relay keeps from this phone, or its own clock is wrong. */
const STALE_SECONDS = 24 * 3600;
/** How often the head is looked at while the phone is connected. */
const AGAIN_SECONDS = 3600;
/** How long the log may take to show what has happened, and how long a look takes to be worth another. */
const PACE = { graceSeconds: 10, pollMs: 500 };
const TRIES = 3;
const MOST_HEARD = 64;
/** Tiles that are kept in memory, of 8 KiB at most each. */
const MAX_PAST = 64;
const NO_FILE: ReadonlySet<string> = new Set(["http.unknown_path", "attachment.unknown"]);
const MEMBERS = "log.members";
const NOTHING = new Uint8Array(0);

/** A head that a member has seen. */
interface Heard {
  size: number;
  root: string;
  conversation: string;
  address: string;
  at: number;
}

export class LogWatch {
  readonly alarms: Alarms;
  readonly doubts: Doubts;
  readonly own: OwnLine;
  readonly #stored: LogStore;
  /** For tests. */
  readonly pace = { ...PACE };
  #ledger: Ledger | null = null;
  #heard = new Map<string, Heard>();
  #past = new Map<string, Bytes>();
  /** SHA-256 of the manifest of the page that runs here, in hex; "" where nobody has said. */
  #release = "";
  #due = 0;
  #met = false;
  #looks = 0;
  #turns = new Turns();

  constructor(
    private readonly core: Core,
    private readonly groups: Groups,
    private readonly api: HttpApi,
  ) {
    this.alarms = new Alarms(core);
    this.doubts = new Doubts(core, groups, this.alarms);
    this.own = new OwnLine(core, this.alarms, this.doubts);
    this.#stored = new LogStore(core);
  }

  /** What the vault has of it. Before anything else. */
  async load(): Promise<void> {
    await this.own.load();
    this.#ledger = await this.#stored.load();
  }

  // --- what others ask

  /** What is believed of the log; null where the relay had none when it was first met. */
  get ledger(): Ledger | null {
    return this.#ledger;
  }

  /** The newest head, for a message to carry. */
  head(): LogHead | null {
    const ledger = this.#ledger;
    if (ledger === null || ledger.size === 0) return null;
    return { size: ledger.size, root: new Uint8Array(ledger.root) };
  }

  /** What a member has seen. True if it is to be looked up (`pump`). */
  heard(conversation: string, address: string, { size, root }: LogHead): boolean {
    const hex = toHex(root);
    const key = `${size} ${hex}`;
    if (this.#ledger === null || this.#ledger.knows(size, hex) === true) return false;
    if (this.#heard.has(key) || this.#heard.size >= MOST_HEARD) return false;
    this.#heard.set(key, { size, root: hex, conversation, address, at: this.core.now() });
    return true;
  }

  /** Something is still to be looked up. */
  get busy(): boolean {
    return this.#ledger !== null && (this.doubts.waiting || this.#heard.size > 0);
  }

  /** A device came into a conversation. True if it is to be looked up (`pump`). */
  entered(tx: Tx, conversation: string, identity: Uint8Array, welcomed: boolean): boolean {
    if (this.#ledger === null) return false;
    const certificate = verifiedCertificate(identity);
    // Who is welcomed may find members who were revoked just now.
    if (this.doubts.why(this.#ledger.state, certificate, !welcomed) === null) return false;
    this.doubts.add(tx, conversation, certificate);
    return true;
  }

  /** Before a device is let in anywhere: it is in the log. Raises log.not_there, and tells; network.*. */
  async checkPackage(certificate: DeviceCertificate): Promise<void> {
    if (!this.#met) await this.refresh();
    const deadline = Date.now() + this.pace.graceSeconds * 1000;
    for (;;) {
      const ledger = this.#ledger;
      const why = ledger && this.doubts.why(ledger.state, certificate, true);
      if (ledger === null || why === null) {
        if (this.alarms.all().some((one) => !one.settled))
          await this.core.change((tx) => this.doubts.allowed(tx, certificate));
        return;
      }
      if (Date.now() > deadline) {
        await this.core.change((tx) => this.doubts.alarm(tx, null, certificate, why, ledger));
        throw error("log.not_there");
      }
      await this.refresh();
      if (this.#ledger === ledger) await sleep(this.pace.pollMs);
    }
  }

  /** The page that runs here: SHA-256 of its manifest, in hex. It must have been announced to everybody. */
  runs(release: string): void {
    this.#release = release;
    this.#due = 0;
  }

  reconnected(): void {
    this.#due = 0;
  }

  get due(): boolean {
    const left = this.#due - this.core.now();
    // More than it ever is: the clock was put back meanwhile.
    return left <= 0 || left > AGAIN_SECONDS;
  }

  // --- reading the log

  /** Read what is new. Raises network.*; what the log does wrong is told as an alarm. */
  async refresh(): Promise<void> {
    const looks = this.#looks;
    const turn = this.#turns.take();
    await turn.come;
    try {
      // Whoever waited for another one's look has it.
      if (looks !== this.#looks) return;
      await this.#refresh();
      this.#looks += 1;
    } finally {
      turn.release();
    }
  }

  /** Forget the log, and pin the one that the relay shows now. Raises network.*. */
  async startOver(): Promise<void> {
    const turn = this.#turns.take();
    await turn.come;
    try {
      await this.core.change((tx) => {
        this.#stored.forget(tx);
        this.core.setMeta(tx, MEMBERS, false);
      });
      this.#ledger = null;
      this.#past = new Map();
      await this.#refresh();
      this.#looks += 1;
    } finally {
      turn.release();
    }
  }

  async #refresh(): Promise<void> {
    // Judged by when it was asked for: a phone may sleep for a day before the answer is read.
    const began = this.core.now();
    if (this.#ledger === null) await this.#pin();
    if (this.#ledger !== null) {
      await this.#read(this.#ledger);
      await this.#checkAge(this.#ledger, began);
      await this.#checkMembers();
      await this.#checkRelease(this.#ledger);
    }
    this.#met = true;
    this.#due = this.core.now() + AGAIN_SECONDS;
  }

  /** On first use. A relay without a log answers with an error: then there is nothing to watch. */
  async #pin(): Promise<void> {
    try {
      const policy = await this.api.log("policy");
      await this.api.log("checkpoint");
      await this.#adopt(Ledger.pinned(this.core.me.server, policy));
    } catch (problem) {
      if (problem instanceof TlogError) return;
      if (!(problem instanceof ChappeError) || !NO_FILE.has(problem.code)) throw problem;
    }
  }

  async #read(ledger: Ledger): Promise<void> {
    for (let left = TRIES; left > 0; left--) {
      try {
        await this.#take(ledger, await this.api.log("checkpoint"));
        return;
      } catch (problem) {
        // While it is read the log may grow, and the narrower form of a bundle go.
        if (!(problem instanceof ChappeError) || !NO_FILE.has(problem.code)) throw problem;
        if (left > 1) await sleep(this.pace.pollMs);
      }
    }
    const said = "the relay does not show the log any more";
    await this.#alarm({ code: "log.frozen", about: "gone", said }, ledger);
  }

  readonly #fetch: Fetch = (tile) => this.api.log(tilePath(tile));

  async #take(ledger: Ledger, note: Bytes): Promise<void> {
    const theirs = { about: "head", theirs: note };
    try {
      await this.#adopt(await ledger.advance(note, this.#fetch));
    } catch (problem) {
      if (problem instanceof Broken)
        await this.#alarm({ code: "log.broken", said: problem.message, ...theirs }, ledger);
      else if (problem instanceof TlogError) await this.#refused(ledger, note, problem, theirs);
      else throw problem;
    }
  }

  /**
   * A head that was not taken. A smaller one that was signed before ours is just old, and witnesses may be away: the
   * age of ours tells if it stays so.
   */
  async #refused(
    ledger: Ledger,
    note: Bytes,
    problem: TlogError,
    theirs: { about: string; theirs: Bytes },
  ): Promise<void> {
    let said = `${problem.message} [${problem.code}]`;
    if (problem.code === "tlog.rollback") {
      if (signedAtOf(ledger, note) <= ledger.signedAt) return;
    } else if (ledger.lacksWitnesses(note)) return;
    else if (problem.code === "tlog.wrong_proof") {
      const forked = await ledger.forked(note, this.#fetch).catch((other: unknown) => {
        if (other instanceof TlogError) return false;
        throw other;
      });
      if (forked) said = "the new head does not contain the one that was believed [tlog.fork]";
    }
    await this.#alarm({ code: "log.forked", said, ...theirs }, ledger);
  }

  async #adopt(ledger: Ledger): Promise<void> {
    if (ledger === this.#ledger) return;
    const before = this.#ledger;
    const told = before === null || before.size !== ledger.size;
    await this.core.change(async (tx) => {
      this.#stored.save(tx, ledger);
      this.alarms.settle(tx, "log.frozen", "gone");
      await this.doubts.lookAgain(tx, ledger.state);
      await this.own.look(tx, ledger);
      if (told) tx.log = true;
    });
    this.#ledger = ledger;
  }

  /** Once its salt is known. */
  async lookAtOwnLine(tx: Tx): Promise<void> {
    if (this.#ledger !== null) await this.own.look(tx, this.#ledger);
  }

  async #checkAge(ledger: Ledger, now: number): Promise<void> {
    if (ledger.held === null) return;
    if (now - ledger.signedAt > STALE_SECONDS) {
      const said = "the newest head is more than a day old";
      await this.#alarm({ code: "log.frozen", about: "old", said }, ledger);
    } else if (this.alarms.all().some((one) => one.about === "old" && !one.settled))
      await this.core.change((tx) => this.alarms.settle(tx, "log.frozen", "old"));
  }

  /** Once, of conversations from before the log was watched. */
  async #checkMembers(): Promise<void> {
    if ((await this.core.meta<boolean>(MEMBERS)) === true) return;
    await this.core.change(async (tx) => {
      for (const id of this.groups.active())
        for (const { identity } of (await this.groups.group(tx, id)).members)
          this.entered(tx, id, identity, true);
      this.core.setMeta(tx, MEMBERS, true);
    });
  }

  /** A page that was made for this phone alone is in nobody's log. */
  async #checkRelease(ledger: Ledger): Promise<void> {
    if (this.#release === "" || ledger.size === 0) return;
    const about = this.#release;
    if (!ledger.state.releases.has(about)) {
      const said = `the page that runs here is not in the log: manifest ${about}`;
      await this.#alarm({ code: "log.release", about, said }, ledger);
    } else if (this.alarms.all().some((one) => one.code === "log.release" && !one.settled))
      await this.core.change((tx) => this.alarms.settle(tx, "log.release", about));
  }

  async #alarm(raised: Omit<Raised, "ours">, ledger: Ledger): Promise<void> {
    const ours = new Uint8Array(ledger.held?.note ?? NOTHING);
    await this.core.change((tx) => this.alarms.raise(tx, { ...raised, ours }));
  }

  // --- what waits

  /** Look up what waits. True if something still does. Raises network.*. */
  async pump(): Promise<boolean> {
    if (!this.busy && !this.due) return false;
    const before = this.#ledger;
    const beyond = [...this.#heard.values()].some((one) => one.size > (before?.size ?? 0));
    if (before === null || this.due || this.doubts.waiting || beyond) await this.refresh();
    const ledger = this.#ledger;
    if (ledger === null) return false;
    if (this.doubts.waiting)
      await this.core.change((tx) => this.doubts.judge(tx, ledger, this.pace.graceSeconds));
    for (const [key, heard] of [...this.#heard]) await this.#compare(ledger, key, heard);
    return this.busy;
  }

  /** A head that came with a message. */
  async #compare(ledger: Ledger, key: string, heard: Heard): Promise<void> {
    let known = ledger.knows(heard.size, heard.root);
    if (known === null && heard.size < ledger.size) known = await this.#had(ledger, heard);
    const age = this.core.now() - heard.at;
    if (known === null && age >= 0 && age < this.pace.graceSeconds) return;
    this.#heard.delete(key);
    if (known === true) return;
    const other =
      known === false ? "is of another history than" : "is not in the log that the relay shows:";
    const said = `a head of ${heard.size} entries, ${heard.root}, that a member has seen ${other} ours`;
    const { conversation, address } = heard;
    const about = `head ${address}`;
    await this.#alarm({ code: "log.forked", about, said, conversation, address }, ledger);
  }

  /** Whether the believed tree had this head; null where the tiles are not that tree's. */
  async #had(ledger: Ledger, heard: Heard): Promise<boolean | null> {
    // Asked for once: in a conversation of a hundred each has another head, and a tile never changes.
    const fetched = new Map<string, Bytes>();
    const fetch: Fetch = async (tile) => {
      const path = tilePath(tile);
      const data = this.#past.get(path) ?? (await this.api.log(path));
      fetched.set(path, data);
      return data;
    };
    try {
      const reader = await TileReader.open(BigInt(ledger.size), ledger.root, fetch);
      const root = (await reader.frontier(BigInt(heard.size))).root();
      const had = toHex(root) === heard.root;
      if (had) this.#past = new Map([...this.#past, ...fetched].slice(-MAX_PAST));
      return had;
    } catch (problem) {
      if (problem instanceof TlogError) return null;
      throw problem;
    }
  }
}

/** Zero where the note is not what the policy wants. */
function signedAtOf(ledger: Ledger, note: Uint8Array): number {
  try {
    return ledger.signedAtOf(note);
  } catch {
    return 0;
  }
}
