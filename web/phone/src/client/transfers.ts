/**
 * Files under way: up and down in pieces, resumed where they were cut off, checked when they are whole. Each of
 * these can be begun anew after the phone was killed: what the relay and the phone hold is not sent again.
 */

import { ChappeError, type Code, error } from "../wire/errors";
import type { Typed } from "../wire/frames";
import type { Connection } from "./connection";
import type { Arriving, Options, Outgoing, Sink } from "./files";
import { TAG } from "./gcm";
import type { HttpApi } from "./http";
import type { Net } from "./transport";

/**
 * One PATCH: a browser streams no request over HTTP/1.1, so that a file goes in pieces, each of which is
 * durable at the relay when it is answered.
 */
const UPLOAD_PIECE = 1024 * 1024;
/** How long a transfer goes on without any progress. */
const PATIENCE_MILLISECONDS = 120_000;
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;
const PASSING: ReadonlySet<Code> = new Set<Code>([
  "network.unreachable",
  "network.timeout",
  "attachment.bad_offset",
  "limit.rate",
  "limit.connections",
]);

/** Reserve room for `size` encrypted bytes, once there is a connection. Throws attachment.*, network.*. */
export async function ticketFor(
  net: Net,
  connection: Connection,
  size: number,
  signal?: AbortSignal,
): Promise<Typed<"ticket">> {
  const patience = new Patience(net);
  for (;;) {
    try {
      return await connection.ask((ref) => ({ t: "attach", ref, size }), "ticket");
    } catch (problem) {
      await patience.wait(problem, signal);
    }
  }
}

/** Bring a ciphertext to the relay, resuming where it stopped. Throws network.*, attachment.*. */
export async function upload(
  net: Net,
  api: HttpApi,
  ticket: Pick<Typed<"ticket">, "id" | "token">,
  out: Pick<Outgoing, "size" | "read">,
  { progress, signal }: Options = {},
): Promise<void> {
  const { size } = out;
  const patience = new Patience(net);
  let done: number | null = null;
  for (;;) {
    try {
      done ??= await api.uploadOffset(ticket.id, signal);
      patience.progress(done);
      progress?.(Math.min(done, size), size);
      if (done >= size) return;
      const piece = await out.read(done, Math.min(done + UPLOAD_PIECE, size));
      const next = await api.upload(ticket.id, ticket.token, done, piece, signal);
      if (next <= done) throw error("attachment.bad_offset");
      done = next;
    } catch (problem) {
      done = null;
      await patience.wait(problem, signal);
    }
  }
}

/**
 * Bring a ciphertext in, from where it stopped; into `sink`, checked when all is here. The sink is the caller's to
 * end. Throws attachment.corrupt, attachment.*, network.*, and what the sink throws.
 */
export async function download(
  net: Net,
  api: HttpApi,
  id: Uint8Array,
  arriving: Arriving,
  sink: Pick<Sink, "write">,
  { progress, signal }: Options = {},
): Promise<void> {
  const patience = new Patience(net);
  const all = arriving.size - TAG;
  while (arriving.received < arriving.size) {
    const before = arriving.received;
    patience.progress(before);
    try {
      for await (const piece of api.download(id, before, signal)) {
        await arriving.take(piece, sink);
        progress?.(Math.min(arriving.received, all), all);
      }
      // An answer that ends before its time is no progress by itself.
      if (arriving.received === before) throw error("network.unreachable");
    } catch (problem) {
      await patience.wait(problem, signal);
    }
  }
  await arriving.check(sink);
}

/**
 * Waits longer each time, and gives up after PATIENCE_MILLISECONDS without progress. The clock starts with the first
 * failure: what is cut off after hours of progress goes on.
 */
class Patience {
  private since: number | null = null;
  private pause = FIRST_PAUSE;
  private best = -1;

  constructor(private readonly net: Net) {}

  progress(done: number): void {
    if (done <= this.best) return;
    this.best = done;
    this.since = null;
    this.pause = FIRST_PAUSE;
  }

  /** Throws `problem` itself where waiting does not help. */
  async wait(problem: unknown, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    this.since ??= this.net.now();
    const passing = problem instanceof ChappeError && PASSING.has(problem.code);
    if (!passing || this.net.now() - this.since > PATIENCE_MILLISECONDS) throw problem;
    await this.net.sleep(this.pause, signal);
    signal?.throwIfAborted();
    this.pause = Math.min(2 * this.pause, LONGEST_PAUSE);
  }
}
