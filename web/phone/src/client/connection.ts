/** The socket to the relay: signs in, hands over frames, matches answers, and comes back by itself. */

import type { Bytes } from "../wire/bytes";
import { asChappeError, ChappeError, type Code, error } from "../wire/errors";
import { encode, type FromDevice, type FromRelay, type Typed } from "../wire/frames";
import { Incoming } from "./incoming";
import { type Answered, type Happening, Session, type Signer } from "./session";
import { type Net, openSocket } from "./transport";

const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 30_000;
const CONNECT_MILLISECONDS = 10_000;
const ANSWER_MILLISECONDS = 60_000;
/** A socket that was said to be dead has so long to show that it lives. */
const PROBE_MILLISECONDS = 4_000;
/** Bytes that wait in the browser to be sent; beyond them nothing is given to it. */
const MOST_BUFFERED = 4 * 1024 * 1024;
/** After these a phone does not come back by itself: a person has to act. */
export const FATAL: ReadonlySet<Code> = new Set<Code>([
  "signin.unknown_device",
  "signin.revoked",
  "signin.bad_signature",
  "signin.superseded",
  "network.untrusted",
  "term.suspended",
  "term.closed",
]);
/** Refusals that are no verdict on what was asked: it is asked again, with the same id. */
export const TRY_LATER: ReadonlySet<string> = new Set<Code>([
  "mailbox.full",
  "limit.rate",
  "limit.connections",
  "storage.full",
  "storage.failed",
  "storage.unwritable",
  "term.grace",
]);

/** Whose connection it is. What it returns is awaited before more is handed over. */
export interface Owner {
  opened(welcome: Typed<"welcome">): void | Promise<void>;
  /** Envelopes in order. Acknowledged by the owner once its store holds them. */
  delivered(envelopes: Typed<"deliver">[]): void | Promise<void>;
  /** Answers to frames that were said, not asked. */
  answered(answers: Answered[]): void | Promise<void>;
  /** A fleet order for this device, not verified. */
  ordered(order: Typed<"order">): void | Promise<void>;
  /** A removal to carry out in a watched group, not verified. */
  posted(posted: Typed<"posted">): void | Promise<void>;
  /** The line's term, so the relay says. */
  termed(term: Typed<"term">): void | Promise<void>;
  lost(reason: ChappeError): void | Promise<void>;
}

interface Waiting {
  give(answer: FromRelay): void;
  fail(reason: ChappeError): void;
}

/** Runs until it is closed or something fatal happens (`fatal`). */
export class Connection {
  fatal: ChappeError | null = null;
  lastError: ChappeError | null = null;
  private session: Session | null = null;
  private socket: WebSocket | null = null;
  private incoming: Incoming | null = null;
  private readonly asked = new Map<number, Waiting>();
  private nextRef = 0;
  private closed = false;
  private pausing = new AbortController();
  /** When a connection was begun last, and when the relay was heard last: milliseconds of `net.now`. */
  private begunAt = 0;
  private heardAt = 0;

  constructor(
    private readonly net: Net,
    private readonly me: Signer,
    private readonly owner: Owner,
  ) {}

  get relayTime(): number {
    return this.session?.relayTime ?? 0;
  }

  get online(): boolean {
    return this.session?.state === "open";
  }

  /** Connect, serve, wait with full jitter, again: longer each time, until a connection has held. */
  async run(): Promise<void> {
    let pause = FIRST_PAUSE;
    while (!this.closed && this.fatal === null) {
      const since = this.net.now();
      const problem = await this.serve();
      if (this.online && this.net.now() - since > pause) pause = FIRST_PAUSE;
      await this.end(problem);
      if (this.fatal !== null || this.closed) return;
      this.pausing = new AbortController();
      const wait = FIRST_PAUSE / 4 + this.net.random() * (pause - FIRST_PAUSE / 4);
      await this.net.sleep(wait, this.pausing.signal);
      pause = Math.min(2 * pause, LONGEST_PAUSE);
    }
  }

  /** Whether it ended because the line is suspended: then `run` may be called again, once. */
  revive(): boolean {
    if (this.closed || this.fatal?.code !== "term.suspended") return false;
    this.fatal = null;
    return true;
  }

  /** Come back now: the network is there again, or somebody looks at the phone. */
  hurry(): void {
    this.pausing.abort();
  }

  /** Milliseconds without a word of the relay's. Its pings are the browser's to answer: nothing shows them here. */
  get silence(): number {
    return this.net.now() - this.heardAt;
  }

  /**
   * Somebody says that the relay does not see this device. `probe` makes a question that it has to answer: without
   * an answer within seconds the socket is dead, and let go, and a new one is on its way when this returns. A
   * browser alone notices that after minutes.
   */
  async check(probe: (ref: number) => FromDevice): Promise<void> {
    const { session, incoming } = this;
    if (!this.online) {
      // What has been opening for a while may be opening on a network that is gone.
      if (this.net.now() - this.begunAt > PROBE_MILLISECONDS) this.drop();
      this.hurry();
      return;
    }
    try {
      await this.ask(probe, "line", PROBE_MILLISECONDS);
    } catch (problem) {
      // A refusal is an answer.
      if (!(problem instanceof ChappeError)) throw problem;
      if (problem.code !== "network.timeout") return;
      incoming?.end(problem);
      while (this.session === session && session !== null) await this.net.sleep(1);
      this.hurry();
    }
  }

  /** The network went away: a socket would notice late, or, where nothing is asked, never. */
  drop(): void {
    this.incoming?.end(error("network.unreachable"));
  }

  /** For good. `run` ends, and does not wait for what the other end says to it: nothing there may keep a phone open. */
  close(): void {
    this.closed = true;
    this.hurry();
    this.drop();
  }

  /** The ref of a frame that is said, not asked. */
  newRef(): number {
    this.nextRef = (this.nextRef + 1) % 2 ** 32;
    return this.nextRef;
  }

  /** Send a frame whose answer, if any, goes to the owner. Throws network.unreachable, frame.malformed. */
  async say(frame: FromDevice): Promise<void> {
    const data = encode(frame);
    const { socket, session } = this;
    if (socket === null || session?.takes(frame) !== true) throw error("network.unreachable");
    await this.send(socket, data);
  }

  /** Send a request and wait for its answer. Throws what the relay refused with, or network.*. */
  async ask<K extends FromRelay["t"]>(
    make: (ref: number) => FromDevice,
    kind: K,
    milliseconds = ANSWER_MILLISECONDS,
  ): Promise<Typed<K>> {
    const ref = this.newRef();
    const { socket } = this;
    const answer = new Promise<FromRelay>((give, fail) => this.asked.set(ref, { give, fail }));
    // If sending fails, nobody else waits for this.
    answer.catch(() => undefined);
    const timer = setTimeout(() => {
      this.asked.get(ref)?.fail(error("network.timeout"));
      // A browser does not ping: a connection that gives no answer is taken for dead.
      socket?.close();
    }, milliseconds);
    try {
      await this.say(make(ref));
      const found = await answer;
      if (found.t !== kind) throw error("frame.unexpected");
      return found as Typed<K>;
    } finally {
      clearTimeout(timer);
      this.asked.delete(ref);
    }
  }

  /** One connection from greeting to end; gives the reason that it ended. */
  private async serve(): Promise<ChappeError> {
    const session = new Session(this.me);
    let timer: ReturnType<typeof setTimeout> | undefined;
    this.begunAt = this.net.now();
    try {
      const socket = openSocket(this.net);
      const incoming = new Incoming(socket, (data) => this.read(session, socket, data));
      timer = setTimeout(() => incoming.end(error("network.timeout")), CONNECT_MILLISECONDS);
      this.socket = socket;
      this.incoming = incoming;
      this.session = session;
      for (;;) {
        const batch = await incoming.next();
        if (session.isThrough) clearTimeout(timer);
        await this.tell(batch);
      }
    } catch (problem) {
      return asChappeError(problem);
    } finally {
      clearTimeout(timer);
      this.socket?.close();
      this.socket = null;
      this.incoming = null;
    }
  }

  /**
   * One message, as it comes; gives what is for the owner. Whoever asked has the answer at once: the owner may be
   * the one who waits for it while it takes what was delivered.
   */
  private read(session: Session, socket: WebSocket, data: Uint8Array): Happening | null {
    this.heardAt = this.net.now();
    const happening = session.take(data);
    if (happening.type === "say") {
      socket.send(happening.data);
      return null;
    }
    return happening.type === "answered" && this.match(happening) ? null : happening;
  }

  /** Neighbours of a kind go to the owner together: one transaction takes them all. */
  private async tell(batch: Happening[]): Promise<void> {
    const answers: Answered[] = [];
    const envelopes: Typed<"deliver">[] = [];
    for (const happening of batch) {
      if (happening.type === "opened") await this.owner.opened(happening.welcome);
      if (happening.type === "answered") answers.push(happening);
      if (happening.type === "delivered") envelopes.push(happening.envelope);
    }
    if (answers.length > 0) await this.owner.answered(answers);
    if (envelopes.length > 0) await this.owner.delivered(envelopes);
    for (const happening of batch) {
      if (happening.type === "termed") await this.owner.termed(happening.term);
      if (happening.type === "ordered") await this.owner.ordered(happening.order);
      if (happening.type === "posted") await this.owner.posted(happening.posted);
    }
  }

  /** Give an answer to whoever asked; false where nobody did. */
  private match({ ref, answer }: Answered): boolean {
    const waiting = this.asked.get(ref);
    if (waiting === undefined) return false;
    this.asked.delete(ref);
    if (answer instanceof ChappeError) waiting.fail(answer);
    else waiting.give(answer);
    return true;
  }

  private async end(reason: ChappeError): Promise<void> {
    const wasOnline = this.session?.isThrough === true;
    this.lastError = reason;
    this.session = null;
    if (FATAL.has(reason.code)) this.fatal = reason;
    for (const waiting of this.asked.values()) waiting.fail(error("network.unreachable"));
    this.asked.clear();
    if (this.closed) return;
    if (wasOnline || this.fatal !== null) await this.owner.lost(reason);
  }

  private async send(socket: WebSocket, data: Bytes): Promise<void> {
    while (socket.readyState === WebSocket.OPEN && socket.bufferedAmount > MOST_BUFFERED) {
      await this.net.sleep(50);
    }
    if (socket.readyState !== WebSocket.OPEN) throw error("network.unreachable");
    socket.send(data);
  }
}
