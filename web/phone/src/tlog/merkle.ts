/**
 * The Merkle tree of RFC 9162 section 2.1 with SHA-256: hashes, heads, and the frontier. As
 * src/chappe/tlog/merkle.py. Sizes and indexes are bigints: a tree may have 2^63 - 1 leaves.
 *
 * A *node* is a complete subtree: `{level, index}` covers the leaves from `index << level` up to but without
 * `(index + 1) << level`.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { malformed, outOfRange } from "./errors";
import { type Bytes, concat, u64 } from "./text";

export const HASH_SIZE = 32;
export const MAX_SIZE = 2n ** 63n - 1n;
export const EMPTY_ROOT: Bytes = hash(new Uint8Array(0));

export interface TreeNode {
  level: number;
  index: bigint;
}

export type ReadNode = (node: TreeNode) => Promise<Uint8Array>;

export function hash(...parts: Uint8Array[]): Bytes {
  return new Uint8Array(sha256(concat(...parts)));
}

/** SHA-256(0x00 ‖ entry): 32 bytes. */
export function leafHash(entry: Uint8Array): Bytes {
  return hash(Uint8Array.of(0), entry);
}

/** SHA-256(0x01 ‖ left ‖ right): 32 bytes. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Bytes {
  return hash(Uint8Array.of(1), left, right);
}

/** `size` if a tree may have it, else `tlog.out_of_range`. */
export function checkSize(size: bigint): bigint {
  if (size < 0n || size > MAX_SIZE) throw outOfRange("a tree size is between 0 and 2^63 - 1");
  return size;
}

/** How many bits a number has: 0 for 0. */
export function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}

/** The end, if [start, end) are the bounds of a subtree that is not empty, else `tlog.out_of_range`. */
export function checkSubtree(start: bigint, end: bigint): bigint {
  const fits = start >= 0n && start < end && end <= MAX_SIZE;
  if (!fits || start % (1n << BigInt(bitLength(end - start - 1n))) !== 0n)
    throw outOfRange("no subtree of a Merkle tree has these bounds");
  return end;
}

/** The nodes that make up the leaves [start, end) of a subtree, left to right. */
export function rangeNodes(start: bigint, end: bigint): TreeNode[] {
  checkSubtree(start, end);
  const nodes: TreeNode[] = [];
  let at = start;
  while (at < end) {
    const level = bitLength(end - at) - 1;
    nodes.push({ level, index: at >> BigInt(level) });
    at += 1n << BigInt(level);
  }
  return nodes;
}

/** The head of adjoining complete subtrees, each smaller than the one before; of none, the empty root. */
export function fold(hashes: readonly Uint8Array[]): Uint8Array {
  return hashes.length === 0
    ? EMPTY_ROOT
    : hashes.reduceRight((head, left) => nodeHash(left, head));
}

/**
 * The right edge of a tree: all that is needed to append to it and to know its head. `hashes` are the heads of
 * the complete subtrees, the largest first. A frontier never changes.
 */
export class Frontier {
  readonly size: bigint;
  readonly hashes: readonly Uint8Array[];

  constructor(size = 0n, hashes: readonly Uint8Array[] = []) {
    const bits = checkSize(size).toString(2).replaceAll("0", "").length;
    if (hashes.length !== bits || hashes.some((each) => each.length !== HASH_SIZE))
      throw malformed("a frontier has one hash of 32 bytes for each bit set in its size");
    this.size = size;
    this.hashes = hashes;
  }

  /** With these leaf hashes more. */
  extend(leaves: Iterable<Uint8Array>): Frontier {
    const hashes = [...this.hashes];
    let size = this.size;
    for (const leaf of leaves) {
      let head = leaf;
      for (let left = size; left & 1n; left >>= 1n)
        head = nodeHash(hashes.pop() as Uint8Array, head);
      hashes.push(head);
      size = checkSize(size + 1n);
    }
    return new Frontier(size, hashes);
  }

  append(leaf: Uint8Array): Frontier {
    return this.extend([leaf]);
  }

  root(): Uint8Array {
    return fold(this.hashes);
  }

  /** The size as 8 bytes, big-endian, then the hashes. */
  toBytes(): Bytes {
    return concat(u64(this.size), ...this.hashes);
  }

  /** What `toBytes` wrote; `tlog.malformed` for anything else. */
  static fromBytes(data: Uint8Array): Frontier {
    if (data.length < 8 || (data.length - 8) % HASH_SIZE !== 0) throw malformed("not a frontier");
    const size = new DataView(data.buffer, data.byteOffset).getBigUint64(0);
    if (size > MAX_SIZE) throw malformed("not a frontier");
    const count = (data.length - 8) / HASH_SIZE;
    const at = (number: number) => 8 + number * HASH_SIZE;
    return new Frontier(
      size,
      Array.from({ length: count }, (_, number) => data.slice(at(number), at(number + 1))),
    );
  }
}

/** MTH(entries) of RFC 9162 section 2.1.1. */
export function treeHead(entries: Iterable<Uint8Array>): Uint8Array {
  return new Frontier().extend(Array.from(entries, leafHash)).root();
}
