/** What comes over a socket, kept in order until somebody takes it. */

import { asChappeError, type ChappeError, error } from "../wire/errors";
import { MAX_FRAME } from "../wire/frames";
import type { Happening } from "./session";

const BATCH = 256;
/** A browser holds no one back; an honest relay, with its window, stays far below this. */
const MOST_WAITING = 4 * MAX_FRAME;

export class Incoming {
  private readonly waiting: [Happening, number][] = [];
  private bytes = 0;
  private ended: ChappeError | null = null;
  private wake: () => void = () => undefined;

  /** `read` is given each message as it comes; it gives what is to be kept, or throws why the connection ends. */
  constructor(
    socket: WebSocket,
    private readonly read: (data: Uint8Array) => Happening | null,
  ) {
    socket.addEventListener("message", (event: MessageEvent<unknown>) => this.take(event.data));
    socket.addEventListener("close", () => this.end(error("network.unreachable")));
    socket.addEventListener("error", () => this.end(error("network.unreachable")));
  }

  /** No more is taken; what came before can still be had. The first reason stands. */
  end(reason: ChappeError): void {
    this.ended ??= reason;
    this.wake();
  }

  /** The next ones, one at least. Throws the reason of the end when none are left. */
  async next(): Promise<Happening[]> {
    while (this.waiting.length === 0) {
      if (this.ended !== null) throw this.ended;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    const batch = this.waiting.splice(0, BATCH);
    this.bytes -= batch.reduce((sum, [, bytes]) => sum + bytes, 0);
    return batch.map(([happening]) => happening);
  }

  private take(data: unknown): void {
    if (this.ended !== null) return;
    if (!(data instanceof ArrayBuffer)) {
      this.end(error("frame.malformed"));
      return;
    }
    try {
      const happening = this.read(new Uint8Array(data));
      if (happening === null) return;
      this.waiting.push([happening, data.byteLength]);
    } catch (problem) {
      this.end(asChappeError(problem));
      return;
    }
    this.bytes += data.byteLength;
    if (this.bytes > MOST_WAITING) this.end(error("frame.oversized"));
    this.wake();
  }
}
