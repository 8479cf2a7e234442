/** The transparency log as a person meets it: what was read, what it says of the own line, what is amiss. */

import { toBase64 } from "../wire/api";
import type { Core } from "./core";
import type { LogAlarm, Transparency } from "./face";
import type { Groups } from "./groups";
import type { LogAlarmRow } from "./logRows";
import type { LogWatch } from "./logWatch";

export class LogFace {
  constructor(
    private readonly core: Core,
    private readonly groups: Groups,
    private readonly log: LogWatch,
  ) {}

  standing(): Transparency {
    const { ledger, own } = this.log;
    const alarms = this.log.alarms.all().map(shown);
    if (ledger === null)
      return {
        watched: false,
        origin: "",
        entries: 0,
        root: "",
        signedAt: 0,
        signers: [],
        devices: [],
        alarms,
      };
    return {
      watched: true,
      origin: ledger.origin,
      entries: ledger.size,
      root: Array.from(ledger.root, (byte) => byte.toString(16).padStart(2, "0")).join(""),
      signedAt: ledger.signedAt,
      signers: ledger.signers(),
      devices: own.devices(ledger).map(([device, one]) => ({
        device,
        self: device === own.device,
        addedAt: one.at,
        revokedAt: one.revokedAt,
        by: one.by,
        known: own.known.has(device),
      })),
      alarms,
    };
  }

  /** What proves each alarm, a line of JSON each: both signed heads as they came. */
  evidence(): string {
    return this.log.alarms
      .all()
      .map((row) => {
        const notes = { ours: toBase64(row.ours), theirs: toBase64(row.theirs) };
        return `${JSON.stringify({ ...shown(row), said: row.said, ...notes })}\n`;
      })
      .join("");
  }

  /** Lines with a device there that the log does not show: nothing is sent before a person decides. */
  inDoubt(conversation: string): string[] {
    const found = this.groups.twins(conversation).flatMap(({ id }) => this.log.doubts.inDoubt(id));
    return [...new Set(found)].sort();
  }

  /** Write to the devices there all the same: their owner has explained it. */
  async accept(conversation: string): Promise<void> {
    await this.core.change((tx) => {
      for (const { id } of this.groups.twins(conversation)) this.log.doubts.accept(tx, id);
    });
  }

  /**
   * Give up the log that was pinned and trust the one that the relay shows now, as a new phone would. That it showed
   * two is decided by that; the evidence stays. Raises network.*.
   */
  async startOver(): Promise<void> {
    await this.log.startOver();
    await this.core.change((tx) => {
      for (const one of this.log.alarms.all())
        if (one.code === "log.forked" && !one.settled) this.log.alarms.settleRow(tx, one.row);
    });
  }

  /** A person has seen to it. The evidence stays. Raises usage.invalid. */
  async settle(number: number): Promise<void> {
    await this.core.change((tx) => this.log.alarms.settleRow(tx, number));
  }
}

const shown = (row: LogAlarmRow): LogAlarm => ({
  number: row.row,
  code: row.code,
  at: row.at,
  conversation: row.conversation ?? "",
  address: row.address,
  device: row.device,
  settled: row.settled,
});
