/**
 * Tiles and entry bundles (C2SP tlog-tiles): their names and what is in them. As src/chappe/tlog/tiles.py.
 * Nothing here is verified: see `tileReader.ts`.
 */

import { malformed, outOfRange } from "./errors";
import { bitLength, checkSize, HASH_SIZE, MAX_SIZE, type TreeNode } from "./merkle";

export const HEIGHT = 8;
export const WIDTH = 256;
const MAX_LEVEL = 63;
const MAX_PATH = 64;
const PATH =
  /^tile\/(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/**
 * The file with the nodes of height `8 * level` numbered from `index * 256`, `width` of them. `level` null: the
 * bundle of the entries themselves.
 */
export interface Tile {
  level: number | null;
  index: bigint;
  width: number;
}

/** Where it is served, below the log's prefix: as `tile/0/x001/x234/067.p/5`. Names it among all tiles. */
export function tilePath({ level, index, width }: Tile): string {
  const digits = `${index}`;
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
  const groups = padded.match(/.../g) ?? [];
  const last = groups.pop();
  const place = [...groups.map((group) => `x${group}`), last].join("/");
  return `tile/${level ?? "entries"}/${place}${width === WIDTH ? "" : `.p/${width}`}`;
}

/** The tile that is served at `path`; `tlog.malformed` for any other than the one spelling. */
export function parseTilePath(path: string): Tile {
  const match = path.length <= MAX_PATH ? PATH.exec(path) : null;
  if (match === null) throw malformed("not the path of a tile");
  const [, level = "", index = "", width = `${WIDTH}`] = match;
  const tile = {
    level: level === "entries" ? null : Number(level),
    index: BigInt(index.replace(/[x/]/g, "")),
    width: Number(width),
  };
  if ((tile.level ?? 0) > MAX_LEVEL || tile.index > MAX_SIZE || tile.width > WIDTH)
    throw malformed("not the path of a tile");
  if (tilePath(tile) !== path) throw malformed("not the canonical path of a tile");
  return tile;
}

/** How wide the tile is in a tree of `size` leaves: 0 (there is none) to 256. */
export function tileWidth(level: number | null, index: bigint, size: bigint): number {
  const nodes = (checkSize(size) >> BigInt(HEIGHT * (level ?? 0))) - index * BigInt(WIDTH);
  return nodes < 0n ? 0 : nodes > WIDTH ? WIDTH : Number(nodes);
}

/** The tile of a tree of `size` leaves that the node is in, or is made from; else `tlog.out_of_range`. */
export function tileOf(node: TreeNode, size: bigint): Tile {
  if (node.level < 0 || node.index < 0n || (node.index + 1n) << BigInt(node.level) > size)
    throw outOfRange("the tree has no such node");
  const level = Math.floor(node.level / HEIGHT);
  const index = (node.index << BigInt(node.level % HEIGHT)) / BigInt(WIDTH);
  return { level, index, width: tileWidth(level, index, size) };
}

/** The partial tiles of a tree of `size` leaves, lowest level first: its frontier is in them. */
export function edgeTiles(size: bigint): Tile[] {
  const levels = Math.ceil(bitLength(checkSize(size)) / HEIGHT);
  return Array.from({ length: levels }, (_, level) => {
    const count = size >> BigInt(HEIGHT * level);
    return { level, index: count / BigInt(WIDTH), width: Number(count % BigInt(WIDTH)) };
  }).filter((tile) => tile.width > 0);
}

/** The hashes in a tile, as many as it is wide; else `tlog.malformed`. */
export function tileHashes(tile: Tile, data: Uint8Array): Uint8Array[] {
  if (data.length !== tile.width * HASH_SIZE)
    throw malformed(`a tile is ${tile.width} hashes wide and has ${data.length} bytes`);
  return Array.from({ length: tile.width }, (_, at) =>
    data.slice(at * HASH_SIZE, (at + 1) * HASH_SIZE),
  );
}

/** The entries in a bundle, as many as it is wide and nothing behind them; else `tlog.malformed`. */
export function bundleEntries(tile: Tile, data: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let at = 0;
  for (let number = 0; number < tile.width; number++) {
    const [high, low] = [data[at], data[at + 1]];
    if (high === undefined || low === undefined) throw malformed("an entry bundle is cut off");
    const end = at + 2 + 256 * high + low;
    if (end > data.length) throw malformed("an entry bundle is cut off");
    entries.push(data.slice(at + 2, end));
    at = end;
  }
  if (at !== data.length) throw malformed("an entry bundle has more in it than its entries");
  return entries;
}
