/**
 * That somebody is typing (docs/protocol.md section 9). It is kept nowhere: it goes out at once or not at all, and
 * what comes in is an event and nothing else.
 */

import { ChappeError } from "../wire/errors";
import type { Core, Typist } from "./core";
import type { Groups } from "./groups";
import { MAX_READ_RECEIPT_LINES, type Messages } from "./messages";
import type { Outbox } from "./outbox";

/** Between two in a conversation. */
export const EVERY_SECONDS = 5;
export const SHOWN_SECONDS = 6;
/** Since the relay took it in, by this device's clock: clocks may differ by some of that. */
export const LATE_SECONDS = 30;

export class Typing {
  /** By conversation, when it was said last. */
  #said = new Map<string, number>();

  constructor(
    private readonly core: Core,
    private readonly groups: Groups,
    private readonly messages: Messages,
    private readonly outbox: Outbox,
  ) {}

  /** Whether it went out. What the network does not take now is dropped. Raises conversation.unknown, storage.*. */
  async say(conversation: string): Promise<boolean> {
    if (this.groups.addresses(conversation).length > MAX_READ_RECEIPT_LINES) return false;
    const now = this.core.now();
    const before = this.#said.get(conversation);
    // A clock that was set back must not silence it for good.
    if (before !== undefined && now >= before && now - before < EVERY_SECONDS) return false;
    this.#said.set(conversation, now);
    try {
      const { data } = this.messages.make(conversation, { kind: "typing" });
      return await this.outbox.sayNow(conversation, data);
    } catch (problem) {
      if (problem instanceof ChappeError && problem.fault !== "storage") return false;
      throw problem;
    }
  }

  /** Until when to show it, in Unix seconds; null for what is late. */
  until({ at }: Typist): number | null {
    const now = this.core.now();
    return now - at > LATE_SECONDS ? null : now + SHOWN_SECONDS;
  }
}
