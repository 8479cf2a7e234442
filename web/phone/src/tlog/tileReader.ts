/**
 * Reads a tree out of tiles that nobody vouches for: every hash is checked against a tree head before use. As
 * src/chappe/tlog/tile_reader.py, but that `fetch` may take its time.
 *
 * The partial tiles of a tree hold its frontier, so they are right if it leads to the root. A full tile is right
 * if it leads to the hash that the tile above has for it.
 */

import { outOfRange, TlogError, wrongProof } from "./errors";
import { Frontier, fold, leafHash, nodeHash, rangeNodes, type TreeNode } from "./merkle";
import { equal } from "./text";
import {
  bundleEntries,
  edgeTiles,
  HEIGHT,
  type Tile,
  tileHashes,
  tileOf,
  tilePath,
  tileWidth,
  WIDTH,
} from "./tiles";

export type Fetch = (tile: Tile) => Promise<Uint8Array>;

/** `fetch` for tiles that are at hand, by their paths; `tlog.missing_tile` for any other. */
export function fromMap(tiles: ReadonlyMap<string, Uint8Array>): Fetch {
  return async (tile) => {
    const found = tiles.get(tilePath(tile));
    if (found === undefined)
      throw new TlogError("tlog.missing_tile", `${tilePath(tile)} is needed and is not at hand`);
    return found;
  };
}

/** The node that a full tile of hashes is. */
function headNode(tile: Tile): TreeNode {
  return { level: HEIGHT * ((tile.level ?? 0) + 1), index: tile.index };
}

/** The tree of `size` leaves with the head `root`. What a tile was refused for is not kept. */
export class TileReader {
  readonly size: bigint;
  private readonly fetch: Fetch;
  private readonly hashes = new Map<string, Uint8Array[]>();

  private constructor(size: bigint, fetch: Fetch) {
    this.size = size;
    this.fetch = fetch;
  }

  /** `tlog.wrong_proof` if the tiles at the edge do not lead to the root, `tlog.malformed` for wrong widths. */
  static async open(size: bigint, root: Uint8Array, fetch: Fetch): Promise<TileReader> {
    const reader = new TileReader(size, fetch);
    const edges = edgeTiles(size);
    const fetched = await Promise.all(
      edges.map(async (tile) => tileHashes(tile, await fetch(tile))),
    );
    // The highest level is the leftmost in the tree: its complete subtrees are the largest.
    const heads = [...fetched].reverse().flatMap(partialHeads);
    if (!equal(fold(heads), root))
      throw wrongProof("the tiles at the edge of the tree do not lead to its root");
    edges.forEach((tile, at) => {
      reader.hashes.set(tilePath(tile), fetched[at] as Uint8Array[]);
    });
    return reader;
  }

  /** The head of a node of the tree; `tlog.out_of_range` if it has no such node. */
  async read(node: TreeNode): Promise<Uint8Array> {
    const hashes = await this.tile(tileOf(node, this.size));
    const width = 1 << (node.level % HEIGHT);
    const at = Number((node.index * BigInt(width)) % BigInt(WIDTH));
    return completeHead(hashes.slice(at, at + width));
  }

  /** The frontier that the tree had when it was `size` leaves large. */
  async frontier(size: bigint): Promise<Frontier> {
    if (size < 0n || size > this.size) throw outOfRange("the tree was never as large");
    const hashes: Uint8Array[] = [];
    for (const node of size > 0n ? rangeNodes(0n, size) : []) hashes.push(await this.read(node));
    return new Frontier(size, hashes);
  }

  /** The entries of bundle `index`, each checked against its leaf hash: from `256 * index` on. */
  async entries(index: bigint): Promise<Uint8Array[]> {
    const width = tileWidth(null, index, this.size);
    if (index < 0n || width === 0) throw outOfRange("the tree has no such entries");
    const leaves = await this.tile({ level: 0, index, width });
    const bundle = { level: null, index, width };
    const entries = bundleEntries(bundle, await this.fetch(bundle));
    if (!entries.every((entry, at) => equal(leafHash(entry), leaves[at] as Uint8Array)))
      throw wrongProof(`${tilePath(bundle)} is not what the tree was made of`);
    return entries;
  }

  /** Entry `index`, checked. */
  async entry(index: bigint): Promise<Uint8Array> {
    if (index < 0n) throw outOfRange("the tree has no such entry");
    const found = (await this.entries(index / BigInt(WIDTH)))[Number(index % BigInt(WIDTH))];
    if (found === undefined) throw outOfRange("the tree has no such entry");
    return found;
  }

  /** The hashes of a tile, checked: by way of the tiles above it, up to one that is known. */
  private async tile(wanted: Tile): Promise<Uint8Array[]> {
    const way: Tile[] = [];
    let tile = wanted;
    while (!this.hashes.has(tilePath(tile))) {
      way.push(tile);
      tile = tileOf(headNode(tile), this.size);
    }
    let known = this.hashes.get(tilePath(tile)) as Uint8Array[];
    for (const below of way.reverse()) {
      const hashes = tileHashes(below, await this.fetch(below));
      const head = known[Number(below.index % BigInt(WIDTH))] as Uint8Array;
      if (!equal(completeHead(hashes), head))
        throw wrongProof(`${tilePath(below)} does not belong to the tree`);
      this.hashes.set(tilePath(below), hashes);
      known = hashes;
    }
    return known;
  }
}

/** The head of a complete subtree over 1, 2, 4, ... 256 nodes. */
function completeHead(nodes: readonly Uint8Array[]): Uint8Array {
  let hashes = nodes;
  while (hashes.length > 1) {
    const below = hashes;
    hashes = Array.from({ length: below.length / 2 }, (_, at) =>
      nodeHash(below[2 * at] as Uint8Array, below[2 * at + 1] as Uint8Array),
    );
  }
  return hashes[0] as Uint8Array;
}

/** The heads of the complete subtrees over these nodes, the largest first. */
function partialHeads(hashes: readonly Uint8Array[]): Uint8Array[] {
  const heads: Uint8Array[] = [];
  let at = 0;
  for (let width = WIDTH / 2; width > 0; width /= 2)
    if (hashes.length & width) {
      heads.push(completeHead(hashes.slice(at, at + width)));
      at += width;
    }
  return heads;
}
