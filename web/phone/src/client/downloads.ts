/**
 * Files that come from the relay. What has come is kept chunk by chunk, under a key that the row holds; a phone that
 * is killed goes on behind the last whole one. Nobody sees a file before all of it was checked.
 */

import type { FileAtRest, Files, FileWriter } from "../vault/files";
import { ChappeError, error } from "../wire/errors";
import type { Core, Tx } from "./core";
import { Arriving, attachmentId } from "./files";
import type { HttpApi } from "./http";
import { isNetwork, type Messages } from "./messages";
import type { DownloadRow, StoredFile } from "./rows";
import { Running } from "./running";
import { download } from "./transfers";
import type { Net } from "./transport";

export class Downloads {
  /** Set by the owner: a message's file is so far, in bytes; null where it is no more under way. */
  onProgress: (message: string, done: number | null) => void = () => {};
  #running = new Running();

  constructor(
    private readonly core: Core,
    private readonly messages: Messages,
    private readonly files: Files,
    private readonly net: Net,
    private readonly api: HttpApi,
    private readonly checkRoom: (size: number) => Promise<void>,
  ) {}

  /** Say how far those are that an earlier run began. */
  async look(): Promise<void> {
    for (const { message, file } of this.core.book.downloads.all())
      this.onProgress(message, await this.files.written(file.id));
  }

  resume(): void {
    for (const { message } of this.core.book.downloads.all()) this.fetch(message).catch(() => {});
  }

  /** Until it is here; an AbortError where it was told to stop. Raises attachment.*, network.*, storage.*. */
  fetch(message: string): Promise<void> {
    return this.#running.start(message, (signal) => this.#fetch(message, signal));
  }

  async stop(): Promise<void> {
    await this.#running.end();
  }

  /** It is not wanted any more. */
  async cancel(message: string): Promise<void> {
    await this.#running.stop(message);
    await this.#drop(message);
    this.onProgress(message, null);
  }

  /** Its message is gone. */
  forget(tx: Tx, message: string): void {
    const row = this.core.book.downloads.get(message);
    if (row === undefined) return;
    this.core.book.downloads.delete(tx.change, message);
    tx.after(() => {
      this.#running
        .stop(message)
        .then(() => this.files.delete(row.file.id))
        // What could not be deleted is swept away by the next start.
        .catch(() => {});
    });
  }

  async #fetch(message: string, signal: AbortSignal): Promise<void> {
    const { file } = await this.messages.get(message);
    if (file === null) throw error("message.unknown");
    try {
      const row = await this.#row(message, file);
      await this.#keep(row, await this.#bring(row, file, signal));
    } catch (problem) {
      // What the network has cut off goes on with the next connection.
      const later = signal.aborted || (problem instanceof ChappeError && isNetwork(problem));
      if (!later) await this.#drop(message);
      throw problem;
    }
    this.onProgress(message, null);
  }

  /** Durable before there is a file: one that no row names is swept away. */
  async #row(message: string, file: StoredFile): Promise<DownloadRow> {
    const known = this.core.book.downloads.get(message);
    if (known !== undefined) return known;
    await this.checkRoom(file.size);
    const row = { message, file: this.files.newName() };
    await this.core.change((tx) => this.core.book.downloads.put(tx.change, row));
    return row;
  }

  async #bring(row: DownloadRow, file: StoredFile, signal: AbortSignal): Promise<FileAtRest> {
    const remote = attachmentId(file.url, this.core.me.server);
    const arriving = await Arriving.of(file);
    const writer = await this.files.writer(row.file, async (chunk) => {
      // What is there already may be a hundred megabytes to look through.
      signal.throwIfAborted();
      await arriving.again(chunk);
    });
    const progress = (done: number): void => this.onProgress(row.message, done);
    try {
      progress(arriving.received);
      await download(this.net, this.api, remote, arriving, writer, { progress, signal });
      return await writer.finish();
    } catch (problem) {
      await ended(writer, problem, signal);
      throw problem;
    }
  }

  async #keep({ message }: DownloadRow, file: FileAtRest): Promise<void> {
    const wanted = await this.core.change(async (tx) => {
      this.core.book.downloads.delete(tx.change, message);
      // It may have disappeared meanwhile.
      if ((await this.messages.find(tx, message))?.file == null) return false;
      this.core.book.files.put(tx.change, { message, file });
      return true;
    });
    if (!wanted) await this.files.delete(file.id);
  }

  async #drop(message: string): Promise<void> {
    const row = this.core.book.downloads.get(message);
    if (row === undefined) return;
    await this.core.change((tx) => this.core.book.downloads.delete(tx.change, message));
    await this.files.delete(row.file.id);
  }
}

/** What was not checked to its end stays where it can go on, and only there. */
async function ended(writer: FileWriter, problem: unknown, signal: AbortSignal): Promise<void> {
  const later = signal.aborted || (problem instanceof ChappeError && isNetwork(problem));
  await (later ? writer.pause() : writer.discard()).catch(() => {});
}
