/**
 * A first walk over encoded bytes, head by head, before a library decodes them. The libraries are lenient where
 * Python's are not: they take floats for whole numbers, text that is no UTF-8, any depth. What passes here and
 * there is read the same at both ends, and a hostile length reserves no memory.
 *
 * Sources: the MessagePack specification; RFC 8949 section 3.
 */

import { fromUtf8, toHex } from "./bytes";
import { Misfit } from "./shape";

const MOST = 2n ** 53n;

/** A cursor; past the end it throws Misfit. */
class Cursor {
  at = 0;
  private readonly view: DataView;

  constructor(private readonly data: Uint8Array) {
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  get atEnd(): boolean {
    return this.at === this.data.length;
  }

  skip(length: number | bigint): Uint8Array {
    if (length > this.data.length - this.at) throw new Misfit("cut short");
    const start = this.at;
    this.at += Number(length);
    return this.data.subarray(start, this.at);
  }

  since(start: number): Uint8Array {
    return this.data.subarray(start, this.at);
  }

  uint(length: 1 | 2 | 4 | 8): bigint {
    const start = this.at;
    this.skip(length);
    if (length === 8) return this.view.getBigUint64(start);
    if (length === 4) return BigInt(this.view.getUint32(start));
    return BigInt(length === 2 ? this.view.getUint16(start) : this.view.getUint8(start));
  }

  int64(): bigint {
    return BigInt.asIntN(64, this.uint(8));
  }

  text(length: number | bigint): string {
    try {
      return fromUtf8(this.skip(length));
    } catch {
      throw new Misfit("no UTF-8");
    }
  }
}

/**
 * One MessagePack item that fills `data`: nil, booleans, whole numbers between -2^53 and 2^53, text, bytes,
 * arrays, and maps whose keys are text, none twice. Throws Misfit.
 */
export function walkMessagePack(data: Uint8Array, depth = 16): void {
  const cursor = new Cursor(data);
  packItem(cursor, depth);
  if (!cursor.atEnd) throw new Misfit("something after the end");
}

function packItem(cursor: Cursor, depth: number): void {
  if (depth === 0) throw new Misfit("too deep");
  const head = Number(cursor.uint(1));
  if (head < 0x80 || head >= 0xe0 || (head >= 0xc0 && head <= 0xc3 && head !== 0xc1)) return;
  if (head < 0x90) packMap(cursor, BigInt(head & 0x0f), depth);
  else if (head < 0xa0) packArray(cursor, BigInt(head & 0x0f), depth);
  else if (head < 0xc0) cursor.text(head & 0x1f);
  else packLong(cursor, head, depth);
}

function packLong(cursor: Cursor, head: number, depth: number): void {
  if (head >= 0xc4 && head <= 0xc6) cursor.skip(packLength(cursor, head - 0xc4));
  else if (head >= 0xcc && head <= 0xce) cursor.skip(1 << (head - 0xcc));
  else if (head >= 0xd0 && head <= 0xd2) cursor.skip(1 << (head - 0xd0));
  else if (head === 0xcf || head === 0xd3)
    packWide(head === 0xcf ? cursor.uint(8) : cursor.int64());
  else if (head >= 0xd9 && head <= 0xdb) cursor.text(packLength(cursor, head - 0xd9));
  else if (head === 0xdc || head === 0xdd)
    packArray(cursor, cursor.uint(head === 0xdc ? 2 : 4), depth);
  else if (head === 0xde || head === 0xdf)
    packMap(cursor, cursor.uint(head === 0xde ? 2 : 4), depth);
  else throw new Misfit("a float or an extension");
}

function packLength(cursor: Cursor, power: number): bigint {
  return cursor.uint(power === 0 ? 1 : power === 1 ? 2 : 4);
}

/** JavaScript would round these. */
function packWide(value: bigint): void {
  if (value > MOST || value < -MOST) throw new Misfit("too large a number");
}

function packArray(cursor: Cursor, count: bigint, depth: number): void {
  for (let left = count; left > 0n; left--) packItem(cursor, depth - 1);
}

function packMap(cursor: Cursor, count: bigint, depth: number): void {
  const keys = new Set<string>();
  for (let left = count; left > 0n; left--) {
    const key = packKey(cursor);
    if (keys.has(key)) throw new Misfit("a key twice");
    keys.add(key);
    packItem(cursor, depth - 1);
  }
}

function packKey(cursor: Cursor): string {
  const head = Number(cursor.uint(1));
  if (head >= 0xa0 && head < 0xc0) return cursor.text(head & 0x1f);
  if (head >= 0xd9 && head <= 0xdb) return cursor.text(packLength(cursor, head - 0xd9));
  throw new Misfit("a key that is no text");
}

/**
 * One CBOR item that fills `data`: definite lengths, no tags, no floats, no map key twice, whose keys are
 * no arrays or maps, nested at most `depth` deep. Throws Misfit.
 */
export function walkCbor(data: Uint8Array, depth: number): void {
  const cursor = new Cursor(data);
  cborItem(cursor, depth);
  if (!cursor.atEnd) throw new Misfit("something after the end");
}

function cborItem(cursor: Cursor, depth: number): void {
  if (depth === 0) throw new Misfit("too deep");
  const head = Number(cursor.uint(1));
  const major = head >> 5;
  if (major === 6) throw new Misfit("a tag");
  if (major === 7) {
    cborSimple(head);
    return;
  }
  const argument = cborArgument(cursor, head & 0x1f);
  if (major === 2) cursor.skip(argument);
  else if (major === 3) cursor.text(argument);
  else if (major === 5) cborMap(cursor, argument, depth);
  else if (major === 4) for (let left = argument; left > 0n; left--) cborItem(cursor, depth - 1);
}

/** What a map key is compared by: its value, however it was spelled. */
function cborKey(cursor: Cursor, depth: number): string {
  const start = cursor.at;
  cborItem(cursor, depth);
  const key = new Cursor(cursor.since(start));
  const head = Number(key.uint(1));
  const major = head >> 5;
  // To Python true is 1, as a key of a map.
  if (major === 7) return head === 0xf6 ? "null" : `number ${head - 0xf4}`;
  const argument = cborArgument(key, head & 0x1f);
  if (major < 2) return `number ${major === 0 ? argument : -1n - argument}`;
  if (major === 2) return `bytes ${toHex(key.skip(argument))}`;
  if (major === 3) return `text ${key.text(argument)}`;
  throw new Misfit("a key that cannot be one");
}

function cborArgument(cursor: Cursor, short: number): bigint {
  if (short < 24) return BigInt(short);
  const length = ([1, 2, 4, 8] as const)[short - 24];
  if (length === undefined) throw new Misfit("an indefinite length");
  return cursor.uint(length);
}

function cborSimple(head: number): void {
  if (head < 0xf4 || head > 0xf6) throw new Misfit("a float or an unknown value");
}

function cborMap(cursor: Cursor, count: bigint, depth: number): void {
  const keys = new Set<string>();
  for (let left = count; left > 0n; left--) {
    const key = cborKey(cursor, depth - 1);
    if (keys.has(key)) throw new Misfit("a key twice");
    keys.add(key);
    cborItem(cursor, depth - 1);
  }
}
