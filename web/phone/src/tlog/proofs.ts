/**
 * Verifies inclusion and consistency proofs (RFC 9162 sections 2.1.3.2 and 2.1.4.2), and those of subtrees
 * (draft-ietf-plants-merkle-tree-certs section 4). As src/chappe/tlog/proofs.py; the phone makes no proofs.
 */

import { outOfRange, wrongProof } from "./errors";
import { checkSize, checkSubtree, EMPTY_ROOT, HASH_SIZE, nodeHash } from "./merkle";
import { equal } from "./text";

type Proof = readonly Uint8Array[];

/** That `leaf` (a leaf hash) is number `index` of the leaves [start, size) with the head `root`. */
export function verifyInclusion(given: {
  index: bigint;
  size: bigint;
  leaf: Uint8Array;
  proof: Proof;
  root: Uint8Array;
  start?: bigint;
}): void {
  const { index, size, proof, root, start = 0n } = given;
  checkSubtree(start, checkSize(size));
  if (index < start || index >= size) throw outOfRange("the tree has no such leaf");
  checkHashes([given.leaf, root, ...proof]);
  let [at, last, head] = [index - start, size - start - 1n, given.leaf];
  for (const each of proof) {
    if (last === 0n) throw wrongProof("the inclusion proof is too long");
    if (at & 1n || at === last) {
      head = nodeHash(each, head);
      while (!(at & 1n) && at !== 0n) [at, last] = [at >> 1n, last >> 1n];
    } else {
      head = nodeHash(head, each);
    }
    [at, last] = [at >> 1n, last >> 1n];
  }
  if (last !== 0n || !equal(head, root))
    throw wrongProof("the inclusion proof does not lead to the root");
}

/** That the tree of `newSize` leaves with the head `newRoot` begins with the tree `oldSize`, `oldRoot`. */
export function verifyConsistency(given: {
  oldSize: bigint;
  newSize: bigint;
  oldRoot: Uint8Array;
  newRoot: Uint8Array;
  proof: Proof;
}): void {
  const { oldSize, newSize, oldRoot, newRoot, proof } = given;
  if (oldSize === 0n && newSize === 0n) {
    if (proof.length > 0 || !equal(oldRoot, EMPTY_ROOT) || !equal(newRoot, EMPTY_ROOT))
      throw wrongProof("not the proof of an empty tree");
    return;
  }
  if (oldSize === 0n) throw outOfRange("nothing can be proved from an empty tree");
  verifySubtree({ start: 0n, end: oldSize, size: newSize, head: oldRoot, root: newRoot, proof });
}

/** That `head` is that of the leaves [start, end) of the tree of `size` leaves with the head `root`. */
export function verifySubtree(given: {
  start: bigint;
  end: bigint;
  size: bigint;
  head: Uint8Array;
  root: Uint8Array;
  proof: Proof;
}): void {
  const { start, end, size, head, root, proof } = given;
  if (start >= 0n && start === end && end <= checkSize(size)) {
    if (proof.length > 0 || !equal(head, EMPTY_ROOT))
      throw wrongProof("not the proof of an empty subtree");
    return;
  }
  if (checkSubtree(start, end) > checkSize(size))
    throw outOfRange("the tree is smaller than what it should extend");
  if (proof.length > 0) checkHashes([head, root, ...proof]);
  const [old, grown] = consistencyHeads(start, end - 1n, size - 1n, head, proof);
  if (!equal(old, head) || !equal(grown, root))
    throw wrongProof("the consistency proof does not lead from one head to the other");
}

/** The heads of the old and of the new tree that a proof leads to; bounds are inclusive. */
function consistencyHeads(
  start: bigint,
  until: bigint,
  size: bigint,
  known: Uint8Array,
  proof: Proof,
): [Uint8Array, Uint8Array] {
  let [first, last, end] = [start, until, size];
  const up = () => {
    [first, last, end] = [first >> 1n, last >> 1n, end >> 1n];
  };
  while (first !== last && (last === end || last & 1n)) up();
  const rest = [...proof];
  const begin = first === last ? known : rest.shift();
  if (begin === undefined) throw wrongProof("the consistency proof is too short");
  let [old, grown] = [begin, begin];
  for (const each of rest) {
    if (end === 0n) throw wrongProof("the consistency proof is too long");
    if (last & 1n || last === end) {
      if (first < last) old = nodeHash(each, old);
      grown = nodeHash(each, grown);
      while (!(last & 1n)) up();
    } else {
      grown = nodeHash(grown, each);
    }
    up();
  }
  if (end !== 0n) throw wrongProof("the consistency proof is too short");
  return [old, grown];
}

function checkHashes(hashes: Proof): void {
  if (hashes.some((each) => each.length !== HASH_SIZE))
    throw wrongProof("a hash in a proof is not 32 bytes");
}
