/** Where pieces of files lie while they are under way. What is spooled is ciphertext, and no secret. */

import type { Bytes } from "../wire/bytes";

/** A file that grows at its end and is read anywhere. */
export interface Spool {
  /** Bytes that are there. */
  size(): Promise<number>;
  append(piece: Bytes): Promise<void>;
  /** The bytes from `start` to `end`, or to where it ends. */
  read(start: number, end: number): Promise<Bytes>;
  /** Nothing of it is left. */
  clear(): Promise<void>;
}

/** Takes what is decrypted, piece by piece. */
export interface Sink {
  write(piece: Bytes): Promise<void>;
  /** All is there and true. */
  finish(): Promise<void>;
  /** It is not: nothing of it may be left. */
  discard(): Promise<void>;
}

/** In blobs: a browser keeps large ones on its disk, not in the page's memory. Gone with the page. */
export class BlobSpool implements Spool, Sink {
  private pieces: Blob[] = [];
  private whole = new Blob();

  /** Of what is there; `type` is a media type. */
  blob(type = ""): Blob {
    this.join();
    return new Blob([this.whole], { type });
  }

  async size(): Promise<number> {
    return this.pieces.reduce((sum, piece) => sum + piece.size, this.whole.size);
  }

  async append(piece: Bytes): Promise<void> {
    this.pieces.push(new Blob([piece]));
  }

  async read(start: number, end: number): Promise<Bytes> {
    this.join();
    return new Uint8Array(await this.whole.slice(start, end).arrayBuffer());
  }

  async clear(): Promise<void> {
    this.pieces = [];
    this.whole = new Blob();
  }

  write(piece: Bytes): Promise<void> {
    return this.append(piece);
  }

  async finish(): Promise<void> {}

  discard(): Promise<void> {
    return this.clear();
  }

  private join(): void {
    if (this.pieces.length > 0) this.whole = new Blob([this.whole, ...this.pieces]);
    this.pieces = [];
  }
}
