/**
 * Files on their way to the relay. A file is kept here, and its row says all that it takes to go on, before anything
 * is sent: a phone that is killed goes on where the relay is, and the file becomes a message once the relay has it.
 */

import type { Files } from "../vault/files";
import { ChappeError, error } from "../wire/errors";
import type { Connection } from "./connection";
import type { Core, Tx } from "./core";
import { attachmentOf, Outgoing } from "./files";
import type { Groups } from "./groups";
import type { HttpApi } from "./http";
import { isNetwork, type Messages } from "./messages";
import type { Outbox } from "./outbox";
import { mediaOfMeta } from "./preview";
import { ACTIVE, type UploadRow } from "./rows";
import { Running } from "./running";
import { ticketFor, upload } from "./transfers";
import type { Net } from "./transport";

/** How often the row notes how far it is, in bytes; for who looks after a start without a network. */
const NOTE_EVERY = 4 * 1024 * 1024;
/** What is no fault of the file, and passes: it goes on with the next connection, or once the line is renewed. */
const isForLater = (problem: unknown): boolean =>
  problem instanceof ChappeError && (isNetwork(problem) || problem.code === "term.grace");
const EXPIRED: ReadonlySet<string> = new Set(["attachment.unknown", "attachment.bad_token"]);

export class Uploads {
  /** Set by the owner: a message's file is so far, in bytes; null where it is no more under way. */
  onProgress: (message: string, done: number | null) => void = () => {};
  /** Set by the owner: something was put into the outbox. */
  onQueued: () => void = () => {};
  #running = new Running();

  constructor(
    private readonly core: Core,
    private readonly groups: Groups,
    private readonly messages: Messages,
    private readonly outbox: Outbox,
    private readonly files: Files,
    private readonly net: Net,
    private readonly api: HttpApi,
    private readonly connection: Connection,
  ) {}

  get idle(): boolean {
    return this.core.book.uploads.all().every((row) => row.failed);
  }

  /** Go on with what an earlier run, or an earlier connection, left. */
  resume(): void {
    for (const row of this.core.book.uploads.all()) if (!row.failed) this.start(row.message);
  }

  start(message: string): void {
    this.#running
      .start(message, (signal) =>
        this.#send(message, signal).catch((problem) => this.#failed(message, problem, signal)),
      )
      // What the store says to a failure is said again to whoever asks it next.
      .catch(() => {});
  }

  async stop(): Promise<void> {
    await this.#running.end();
  }

  /** Its message is gone: nobody waits for it. */
  forget(tx: Tx, message: string): void {
    if (!this.core.book.uploads.has(message)) return;
    this.core.book.uploads.delete(tx.change, message);
    tx.after(() => {
      this.#running.stop(message);
    });
  }

  /** One that failed is to go out again; false where there is none. */
  async again(tx: Tx, message: string): Promise<boolean> {
    const row = this.core.book.uploads.get(message);
    if (row === undefined) return false;
    await this.messages.waits(tx, message);
    this.core.book.uploads.put(tx.change, { ...row, failed: false });
    tx.after(() => this.start(message));
    return true;
  }

  async #send(message: string, signal: AbortSignal): Promise<void> {
    const { row, file } = this.#kept(message);
    this.#checkActive(row);
    const out = new Outgoing(row.sealed, (start, end) => this.files.slice(file, start, end));
    this.onProgress(message, Math.min(row.done, row.sealed.size));
    const had = row.ticket !== null;
    const id = await this.#upload(message, out, signal).catch(async (problem) => {
      if (!had || !(problem instanceof ChappeError) || !EXPIRED.has(problem.code)) throw problem;
      // The relay has let go of what was reserved long ago.
      await this.#note(message, { ticket: null, done: 0 });
      return this.#upload(message, out, signal);
    });
    await this.#become(message, id);
    this.onProgress(message, null);
    this.onQueued();
  }

  async #upload(message: string, out: Outgoing, signal: AbortSignal): Promise<Uint8Array> {
    const ticket = await this.#ticket(message, out.size, signal);
    let noted = this.#kept(message).row.done;
    const noting: Promise<void>[] = [];
    const progress = (done: number): void => {
      this.onProgress(message, Math.min(done, out.size));
      if (done < noted + NOTE_EVERY) return;
      noted = done;
      noting.push(this.#note(message, { done }).catch(() => {}));
    };
    await upload(this.net, this.api, ticket, out, { progress, signal });
    await Promise.all(noting);
    return ticket.id;
  }

  /** Asked for once: what is reserved counts against the line's room for 30 days. */
  async #ticket(
    message: string,
    size: number,
    signal: AbortSignal,
  ): Promise<NonNullable<UploadRow["ticket"]>> {
    const { ticket } = this.#kept(message).row;
    if (ticket !== null) return ticket;
    const { id, token } = await ticketFor(this.net, this.connection, size, signal);
    await this.#note(message, { ticket: { id, token }, done: 0 });
    return { id, token };
  }

  async #note(message: string, what: Partial<UploadRow>): Promise<void> {
    await this.core.change((tx) => {
      const row = this.core.book.uploads.get(message);
      if (row !== undefined) this.core.book.uploads.put(tx.change, { ...row, ...what });
    });
  }

  async #become(message: string, id: Uint8Array): Promise<void> {
    await this.core.change(async (tx) => {
      const row = this.core.book.uploads.get(message);
      const kept = this.core.book.files.get(message);
      if (row === undefined || kept === undefined) return;
      this.#checkActive(row);
      this.core.book.uploads.delete(tx.change, message);
      this.core.book.files.delete(tx.change, message);
      const body = attachmentOf(row.sealed, this.core.me.server, id, mediaOfMeta(row.meta));
      const timer = this.messages.timerOf(row.conversation);
      const made = this.messages.make(row.conversation, body, { timer });
      this.core.book.files.put(tx.change, { message: made.id, file: kept.file });
      await this.messages.becomes(tx, message, made, timer);
      await this.outbox.put(tx, row.conversation, made.data, made.id);
    });
  }

  async #failed(message: string, problem: unknown, signal: AbortSignal): Promise<void> {
    this.onProgress(message, null);
    if (signal.aborted) return;
    if (isForLater(problem)) return;
    const code = problem instanceof ChappeError ? problem.code : "internal.bug";
    await this.core.change(async (tx) => {
      const row = this.core.book.uploads.get(message);
      if (row === undefined) return;
      this.core.book.uploads.put(tx.change, { ...row, failed: true });
      await this.messages.failed(tx, message, code);
      tx.fail(code, row.conversation);
    });
  }

  /** Raises conversation.left. */
  #checkActive({ conversation }: UploadRow): void {
    if (this.groups.activity(conversation) !== ACTIVE) throw error("conversation.left");
  }

  #kept(message: string) {
    const row = this.core.book.uploads.get(message);
    const file = this.core.book.files.get(message)?.file;
    if (row === undefined || file === undefined) throw error("file.unreadable");
    return { row, file };
  }
}
