/** What the watch over the log found amiss, kept with its evidence until a person has seen to it. */

import type { Bytes } from "../wire/bytes";
import { error } from "../wire/errors";
import type { Core, Tx } from "./core";
import type { LogAlarmRow, LogCode } from "./logRows";

/** Of one code: the oldest stay, they are the first evidence. */
const MAX_ALARMS = 100;
/** What a person has put away and what goes on is told again after so long. */
const AGAIN_SECONDS = 24 * 3600;
const GOES_ON: ReadonlySet<LogCode> = new Set([
  "log.frozen",
  "log.forked",
  "log.own_line",
  "log.release",
  "relay.silent",
]);

export interface Raised {
  code: LogCode;
  about: string;
  said: string;
  ours: Bytes;
  theirs?: Bytes;
  conversation?: string | null;
  address?: string;
  device?: string;
}

export class Alarms {
  constructor(private readonly core: Core) {}

  /** Keep it and tell it; one about the same thing is told once, and again if it was settled. */
  async raise(tx: Tx, raised: Raised): Promise<boolean> {
    const { logAlarms } = this.core.book;
    const same = logAlarms.all().filter((one) => one.code === raised.code);
    const since = GOES_ON.has(raised.code)
      ? this.core.now() - AGAIN_SECONDS
      : Number.POSITIVE_INFINITY;
    const told = same.some((one) => one.about === raised.about && (!one.settled || one.at > since));
    if (told || same.length >= MAX_ALARMS) return false;
    const row = await tx.change.next("logAlarms");
    const blank = { theirs: new Uint8Array(), conversation: null, address: "", device: "" };
    logAlarms.put(tx.change, { ...blank, ...raised, row, at: this.core.now(), settled: false });
    tx.log = true;
    return true;
  }

  settle(tx: Tx, code: LogCode, about: string): void {
    for (const one of this.core.book.logAlarms.all())
      if (one.code === code && one.about === about && !one.settled) this.#settle(tx, one);
  }

  /** Raises usage.invalid for an unknown number. */
  settleRow(tx: Tx, row: number): void {
    const found = this.core.book.logAlarms.get(row);
    if (found === undefined) throw error("usage.invalid", "There is no alarm with that number.");
    this.#settle(tx, found);
  }

  #settle(tx: Tx, row: LogAlarmRow): void {
    this.core.book.logAlarms.put(tx.change, { ...row, settled: true });
    tx.log = true;
  }

  /** The relay showed two logs, and no person has decided: nothing that they write is sent. */
  get forked(): boolean {
    return this.core.book.logAlarms.all().some((one) => one.code === "log.forked" && !one.settled);
  }

  /** Raises log.not_there. */
  checkSending(): void {
    if (this.forked) throw error("log.not_there", "The relay shows different logs.");
  }

  /** The newest first. */
  all(): LogAlarmRow[] {
    return this.core.book.logAlarms.all().sort((a, b) => b.row - a.row);
  }
}
