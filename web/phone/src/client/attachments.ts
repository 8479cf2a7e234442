/**
 * Files of messages: kept here encrypted, sent and fetched. A file that is to be sent is durable here before
 * the call returns, and becomes a message once the relay has all of it.
 */

import type { FileAtRest, Files } from "../vault/files";
import { ChappeError, error } from "../wire/errors";
import type { Connection } from "./connection";
import type { Core, Tx } from "./core";
import { attachmentId, attachmentOf, seal, unseal } from "./files";
import type { Groups } from "./groups";
import type { HttpApi } from "./http";
import { isNetwork, type Messages } from "./messages";
import type { Outbox } from "./outbox";
import { mediaOfMeta } from "./preview";
import type { FileMeta, MessageRow, UploadRow } from "./rows";
import type { Progress } from "./shown";
import { BlobSpool } from "./spool";
import { download, ticketFor, upload } from "./transfers";
import type { Net } from "./transport";

const NOTHING = new Uint8Array(0);
/** Not more often than so: pages draw progress, and that is all it is for. */
const TELL_MS = 150;

export class Attachments {
  /** Set by the owner: a file is further than it was. */
  onProgress: (message: string) => void = () => {};
  /** Set by the owner: something was put into the outbox. */
  onQueued: () => void = () => {};
  #progress = new Map<string, Progress>();
  #told = new Map<string, number>();
  #running = new Map<string, Promise<unknown>>();
  #ending = new AbortController();

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
    return this.core.book.uploads.size === 0;
  }

  progressOf(message: string): Progress {
    const known = this.#progress.get(message);
    if (known !== undefined) return known;
    return { state: this.core.book.files.has(message) ? "here" : "remote", done: 0 };
  }

  /** Go on with what an earlier run, or an earlier connection, left. */
  resume(): void {
    for (const row of this.core.book.uploads.all()) this.#start(row);
  }

  /** Files that no record names go. */
  async sweep(): Promise<void> {
    await this.files.sweep(new Set(this.core.book.files.all().map((one) => one.file.id)));
  }

  async stop(): Promise<void> {
    this.#ending.abort(error("network.unreachable"));
    await Promise.allSettled(this.#running.values());
  }

  // --- sending

  /** Gives the id of the message that stands in for it. Raises file.unreadable, storage.*. */
  async send(
    conversation: string,
    file: Blob,
    name: string,
    meta: FileMeta | null,
  ): Promise<string> {
    const kept = await this.#keep(file);
    const type = file.type || "application/octet-stream";
    const row = await this.core.change(async (tx) => {
      const shown = { url: "", key: NOTHING, nonce: NOTHING, hash: NOTHING, description: "" };
      const standIn = { ...shown, size: file.size, contentType: type, name };
      const message = await this.messages.insertUpload(tx, conversation, standIn, meta);
      this.core.book.files.put(tx.change, { message, file: kept });
      const upload = { message, conversation, name, type, meta };
      this.core.book.uploads.put(tx.change, upload);
      return upload;
    });
    this.#start(row);
    return row.message;
  }

  #keep(file: Blob): Promise<FileAtRest> {
    return this.files.write(file.stream()).catch((problem) => {
      throw problem instanceof ChappeError ? problem : error("file.unreadable");
    });
  }

  #start(row: UploadRow): void {
    if (this.#running.has(row.message)) return;
    const work = this.#send(row).catch((problem) => this.#failed(row, problem));
    this.#running.set(
      row.message,
      work.finally(() => this.#running.delete(row.message)),
    );
  }

  async #send(row: UploadRow): Promise<void> {
    const { message, conversation, name, type } = row;
    const kept = this.core.book.files.get(message);
    if (kept === undefined) throw error("file.unreadable");
    const { signal } = this.#ending;
    this.#note(message, { state: "loading", done: 0 });
    const plain = await this.files.blob(kept.file, type);
    const spool = new BlobSpool();
    const sealed = await seal(plain, name, spool, { signal });
    const ticket = await ticketFor(this.net, this.connection, await spool.size(), signal);
    const progress = (done: number): void => this.#note(message, { state: "loading", done });
    await upload(this.net, this.api, ticket, spool, { progress, signal });
    await this.core.change(async (tx) => {
      if (!this.core.book.uploads.has(message)) return;
      this.core.book.uploads.delete(tx.change, message);
      this.core.book.files.delete(tx.change, message);
      const media = mediaOfMeta(row.meta);
      const body = attachmentOf(sealed, this.core.me.server, ticket.id, media);
      const { timer } = this.groups.row(conversation);
      const made = this.messages.make(conversation, body, { timer });
      this.core.book.files.put(tx.change, { message: made.id, file: kept.file });
      await this.messages.becomes(tx, message, made, timer);
      await this.outbox.put(tx, conversation, made.data, made.id);
    });
    this.#progress.delete(message);
    this.onQueued();
  }

  async #failed(row: UploadRow, problem: unknown): Promise<void> {
    this.#progress.delete(row.message);
    // What the network has cut off goes on with the next connection.
    if (problem instanceof ChappeError && isNetwork(problem)) return;
    if (this.#ending.signal.aborted) return;
    const code = problem instanceof ChappeError ? problem.code : "internal.bug";
    await this.core.change(async (tx) => {
      this.core.book.uploads.delete(tx.change, row.message);
      await this.messages.failed(tx, row.message, code);
      tx.fail(code, row.conversation);
    });
  }

  /** A file that failed before it was a message goes out again; false if it is none of these. */
  async again(tx: Tx, row: MessageRow): Promise<boolean> {
    const { id: message, conversation, file, meta } = row;
    if (row.content !== null || file === null || !this.core.book.files.has(message)) return false;
    await this.messages.waits(tx, message);
    const upload = { message, conversation, name: file.name, type: file.contentType, meta };
    this.core.book.uploads.put(tx.change, upload);
    tx.after(() => this.#start(upload));
    return true;
  }

  // --- fetching

  /** The file of a message. Raises message.unknown, attachment.*, network.*, storage.*. */
  async open(message: string): Promise<Blob> {
    const row = await this.messages.get(message);
    if (row.file === null) throw error("message.unknown");
    const kept = this.core.book.files.get(message);
    if (kept === undefined) await this.#fetchOnce(row);
    const now = this.core.book.files.get(message);
    if (now === undefined) throw error("attachment.unknown");
    return this.files.blob(now.file, row.file.contentType);
  }

  async #fetchOnce(row: MessageRow): Promise<void> {
    const running = this.#running.get(row.id) ?? this.#fetch(row);
    this.#running.set(row.id, running);
    try {
      await running;
    } finally {
      this.#running.delete(row.id);
    }
  }

  async #fetch(row: MessageRow): Promise<void> {
    const { id, file } = row;
    if (file === null) throw error("message.unknown");
    const { signal } = this.#ending;
    const remote = attachmentId(file.url, this.core.me.server);
    const [spool, plain] = [new BlobSpool(), new BlobSpool()];
    const progress = (done: number): void => this.#note(id, { state: "loading", done });
    try {
      progress(0);
      await download(this.net, this.api, remote, file, spool, { progress, signal });
      await unseal(spool, file, plain, { signal });
      const kept = await this.#keep(plain.blob());
      await this.core.change(async (tx) => {
        // It may have disappeared meanwhile.
        if ((await this.messages.find(tx, id))?.file == null) await this.files.delete(kept.id);
        else this.core.book.files.put(tx.change, { message: id, file: kept });
      });
      this.#progress.delete(id);
    } catch (problem) {
      this.#progress.set(id, { state: "failed", done: 0 });
      throw problem;
    } finally {
      this.onProgress(id);
    }
  }

  // --- with their messages

  /** A message was written, or is gone: a file that it has no more goes, once that is durable. */
  async follow(tx: Tx, id: string, row: MessageRow | null): Promise<void> {
    if (row?.file != null) return;
    this.core.book.uploads.delete(tx.change, id);
    const kept = this.core.book.files.get(id);
    if (kept === undefined) return;
    this.core.book.files.delete(tx.change, id);
    tx.after(() => {
      this.files.delete(kept.file.id).catch(() => {});
    });
  }

  #note(message: string, progress: Progress): void {
    this.#progress.set(message, progress);
    const now = Date.now();
    if (now - (this.#told.get(message) ?? 0) < TELL_MS) return;
    this.#told.set(message, now);
    this.onProgress(message);
  }
}
