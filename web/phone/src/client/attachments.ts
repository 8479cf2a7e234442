/** Files of messages: kept here encrypted, sent and fetched. */

import { room } from "../vault/eviction";
import type { FileAtRest, Files } from "../vault/files";
import { ChappeError, error } from "../wire/errors";
import type { Connection } from "./connection";
import type { Core, Tx } from "./core";
import { Downloads } from "./downloads";
import { type Sealed, seal } from "./files";
import type { Groups } from "./groups";
import type { HttpApi } from "./http";
import type { Messages } from "./messages";
import type { Outbox } from "./outbox";
import type { FileMeta, MessageRow } from "./rows";
import type { Progress } from "./shown";
import type { Net } from "./transport";
import { Uploads } from "./uploads";

/** Largest file that is sent, in bytes. A relay may take less. */
export const MAX_FILE = 100 * 1024 * 1024;
/** What is left free of the browser's room, in bytes: messages must go on. */
const SPARE = 2 * 1024 * 1024;
const NOTHING = new Uint8Array(0);
/** Not more often than so: pages draw progress, and that is all it is for. */
const TELL_MS = 150;
const LIMIT = "maxAttachment";

export class Attachments {
  /** Set by the owner: a file is further than it was. */
  onProgress: (message: string) => void = () => {};
  readonly uploads: Uploads;
  readonly downloads: Downloads;
  /** Bytes that are through, of what is under way. */
  #done = new Map<string, number>();
  /** Those that were told of just now, and whether there is more to tell. */
  #pauses = new Map<string, boolean>();
  #failed = new Set<string>();
  readonly #ending = new AbortController();
  /** Files that are read to be sent. */
  #sealing = new Set<Promise<unknown>>();

  constructor(
    private readonly core: Core,
    private readonly messages: Messages,
    private readonly files: Files,
    private readonly api: HttpApi,
    ways: { groups: Groups; outbox: Outbox; net: Net; connection: Connection },
  ) {
    const { groups, outbox, net, connection } = ways;
    this.uploads = new Uploads(core, groups, messages, outbox, files, net, api, connection);
    this.downloads = new Downloads(core, messages, files, net, api, checkRoom);
    this.uploads.onProgress = (message, done) => this.#note(message, done);
    this.downloads.onProgress = (message, done) => this.#note(message, done);
  }

  get idle(): boolean {
    return this.uploads.idle;
  }

  progressOf(message: string): Progress {
    const { uploads, files } = this.core.book;
    const done = this.#done.get(message);
    if (done !== undefined) return { state: "loading", done };
    const waits = uploads.get(message);
    if (waits !== undefined && !waits.failed) return { state: "loading", done: waits.done };
    if (this.#failed.has(message)) return { state: "failed", done: 0 };
    return { state: files.has(message) ? "here" : "remote", done: 0 };
  }

  /** Go on with what an earlier run, or an earlier connection, left. */
  resume(): void {
    this.uploads.resume();
    this.downloads.resume();
    this.#learnLimit().catch(() => {});
  }

  /** Files that no record names go. Before anything is written. */
  async sweep(): Promise<void> {
    const { files, downloads } = this.core.book;
    const named = [...files.all(), ...downloads.all()];
    await this.files.sweep(new Set(named.map((one) => one.file.id)));
    await this.downloads.look();
  }

  async stop(): Promise<void> {
    this.#ending.abort(error("vault.locked"));
    const ending = [this.uploads.stop(), this.downloads.stop()];
    await Promise.all([...ending, Promise.allSettled(this.#sealing)]);
  }

  // --- sending

  /**
   * Gives the id of the message that stands in for it, once all of it is kept here. Raises attachment.too_large and
   * storage.full before anything is read, file.unreadable, storage.*; vault.locked where that comes first.
   */
  async send(
    conversation: string,
    file: Blob,
    name: string,
    meta: FileMeta | null,
  ): Promise<string> {
    // A file that is open cannot be erased: whoever locks waits for the end of this.
    const sending = this.#send(conversation, file, name, meta);
    this.#sealing.add(sending);
    return sending.finally(() => this.#sealing.delete(sending));
  }

  async #send(
    conversation: string,
    file: Blob,
    name: string,
    meta: FileMeta | null,
  ): Promise<string> {
    if (file.size > (await this.#limit())) throw error("attachment.too_large");
    await checkRoom(file.size);
    const { kept, sealed } = await this.#keep(file, name);
    const type = file.type || "application/octet-stream";
    const message = await this.core.change(async (tx) => {
      const shown = { url: "", key: NOTHING, nonce: NOTHING, hash: NOTHING, description: "" };
      const standIn = { ...shown, size: file.size, contentType: type, name };
      const id = await this.messages.insertUpload(tx, conversation, standIn, meta);
      const row = { message: id, conversation, meta, sealed, ticket: null, done: 0, failed: false };
      this.core.book.files.put(tx.change, { message: id, file: kept });
      this.core.book.uploads.put(tx.change, row);
      return id;
    });
    this.uploads.start(message);
    return message;
  }

  async #keep(file: Blob, name: string): Promise<{ kept: FileAtRest; sealed: Sealed }> {
    const { signal } = this.#ending;
    const writer = await this.files.writer(this.files.newName());
    try {
      signal.throwIfAborted();
      const sealed = await seal(file, name, writer, { signal });
      return { kept: await writer.finish(), sealed };
    } catch (problem) {
      await writer.discard();
      throw problem instanceof ChappeError ? problem : error("file.unreadable");
    }
  }

  async #limit(): Promise<number> {
    return Math.min(MAX_FILE, (await this.core.meta<number>(LIMIT)) ?? MAX_FILE);
  }

  /** The relay's own limit, asked once a connection: a file over it is refused before it is read. */
  async #learnLimit(): Promise<void> {
    const { max_attachment } = await this.api.info();
    if (max_attachment !== (await this.core.meta<number>(LIMIT)))
      await this.core.change((tx) => this.core.setMeta(tx, LIMIT, max_attachment));
  }

  /** A file that failed before it was a message goes out again; false if it is none of these. */
  async again(tx: Tx, row: MessageRow): Promise<boolean> {
    return row.content === null && (await this.uploads.again(tx, row.id));
  }

  // --- fetching

  /** The file of a message. Null where it was told to stop. Raises message.unknown, attachment.*, network.*, storage.*. */
  async open(message: string): Promise<Blob | null> {
    const found = await this.#here(message);
    return found && this.files.blob(found.kept, found.type, this.#ending.signal);
  }

  /** The same piece by piece; the stream fails once the phone is locked. */
  async read(message: string): Promise<ReadableStream<Uint8Array> | null> {
    const found = await this.#here(message);
    return found && this.files.read(found.kept, this.#ending.signal);
  }

  async #here(message: string): Promise<{ kept: FileAtRest; type: string } | null> {
    const { file } = await this.messages.get(message);
    if (file === null) throw error("message.unknown");
    if (!this.core.book.files.has(message) && !(await this.#fetch(message))) return null;
    const kept = this.core.book.files.get(message);
    if (kept === undefined) throw error("attachment.unknown");
    return { kept: kept.file, type: file.contentType };
  }

  async #fetch(message: string): Promise<boolean> {
    this.#failed.delete(message);
    try {
      this.#note(message, this.#done.get(message) ?? 0);
      await this.downloads.fetch(message);
      return true;
    } catch (problem) {
      if (problem instanceof DOMException && problem.name === "AbortError") return false;
      if (!this.core.book.downloads.has(message)) {
        this.#failed.add(message);
        this.#note(message, null);
      }
      throw problem;
    }
  }

  /** Stop a file that is under way: one that goes out is taken back, one that comes in is not wanted now. */
  async cancel(message: string): Promise<void> {
    if (this.core.book.downloads.has(message)) await this.downloads.cancel(message);
    else if (this.core.book.uploads.has(message))
      await this.core.change(async (tx) => {
        // It may be a message by now, and that is taken back in other ways.
        if (this.core.book.uploads.has(message)) await this.messages.remove(tx, message);
      });
  }

  // --- with their messages

  /** A message was written, or is gone: a file that it has no more goes, once that is durable. */
  async follow(tx: Tx, id: string, row: MessageRow | null): Promise<void> {
    if (row?.file != null) return;
    this.uploads.forget(tx, id);
    this.downloads.forget(tx, id);
    const kept = this.core.book.files.get(id);
    if (kept === undefined) return;
    this.core.book.files.delete(tx.change, id);
    tx.after(() => {
      this.files.delete(kept.file.id).catch(() => {});
    });
  }

  #note(message: string, done: number | null): void {
    if (done === null) this.#done.delete(message);
    else this.#done.set(message, done);
    if (done === null) this.onProgress(message);
    else if (this.#pauses.has(message)) this.#pauses.set(message, true);
    else {
      this.onProgress(message);
      this.#pause(message);
    }
  }

  /** What comes in the pause is told at its end: the network may stop for long after it. */
  #pause(message: string): void {
    this.#pauses.set(message, false);
    setTimeout(() => {
      const more = this.#pauses.get(message) === true && this.#done.has(message);
      this.#pauses.delete(message);
      if (!more) return;
      this.onProgress(message);
      this.#pause(message);
    }, TELL_MS);
  }
}

/** Raises storage.full where the browser says that so many bytes have no room. */
async function checkRoom(size: number): Promise<void> {
  const { used, quota } = await room();
  if (used !== null && quota !== null && used + size + SPARE > quota) throw error("storage.full");
}
