/** What an organisation rules of messages here (docs/protocol.md section 12.2): how long they stay, who hears of reading. */

import { error } from "../wire/errors";
import type { FleetPolicy } from "../wire/orders";
import { firstTimer, MAX_TIMER, timerWithin } from "../wire/timers";

export class Rules {
  /** Set by the owner: what the person chose. */
  wantsReceipts: () => boolean = () => true;

  /** `bounds`: as they hold now. */
  constructor(private readonly bounds: () => FleetPolicy | null) {}

  /** The longest that a message stays here after it was read, in seconds; 0: nothing is ruled. */
  get most(): number {
    return this.bounds()?.disappear_max ?? 0;
  }

  /** What a conversation made here begins with. */
  get firstTimer(): number {
    return firstTimer(this.bounds()?.disappear_default ?? 0, this.most);
  }

  /** What this device obeys where members agreed on `agreed`. */
  timer(agreed: number): number {
    return timerWithin(agreed, this.most);
  }

  /** What a message may say of its own time: seconds from reading on, or null for none. Sooner stays sooner. */
  within(seconds: number | null): number | null {
    if (this.most === 0) return seconds;
    return Math.min(seconds ?? this.most, this.most);
  }

  /** Whether reading is told to others, and shown of them. */
  get receipts(): boolean {
    const ruled = this.bounds()?.receipts ?? "free";
    return ruled === "free" ? this.wantsReceipts() : ruled === "on";
  }

  /** Raises usage.invalid for a timer that nobody may set here. */
  checkTimer(seconds: number): void {
    if (!Number.isInteger(seconds) || seconds < 0 || seconds > MAX_TIMER)
      throw error("usage.invalid", "A timer is between 0 seconds and 366 days.");
    if (this.timer(seconds) !== seconds)
      throw error("usage.invalid", "This line's organisation does not let messages stay so long.");
  }
}
