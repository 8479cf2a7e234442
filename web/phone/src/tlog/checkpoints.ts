/** The body of a checkpoint (C2SP tlog-checkpoint). It says nothing until `policy.ts` has checked who signed. */

import { malformed } from "./errors";
import { checkSize, EMPTY_ROOT, HASH_SIZE } from "./merkle";
import { equal, fromBase64, fromDecimal, toBase64 } from "./text";

/** A head of the log `origin`: `size` entries with the tree head `root`. Extension lines are not believed. */
export interface Checkpoint {
  origin: string;
  size: bigint;
  root: Uint8Array;
  extensions: string[];
}

/** What is signed: three lines, then the extension lines. */
export function checkpointText(checkpoint: Checkpoint): string {
  const { origin, size, root, extensions } = checkpoint;
  return [origin, `${size}`, toBase64(root), ...extensions].map((line) => `${line}\n`).join("");
}

/** The checkpoint with this text; `tlog.malformed` for any other than the one spelling. */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split("\n");
  if (lines.length < 4 || lines.pop() !== "")
    throw malformed("a checkpoint has three lines or more, each with its newline");
  const [origin = "", size = "", root = "", ...extensions] = lines;
  const found = { origin, size: fromDecimal(size), root: fromBase64(root, HASH_SIZE), extensions };
  checkSize(found.size);
  if (found.size === 0n && !equal(found.root, EMPTY_ROOT))
    throw malformed("an empty tree has one head, and this is another");
  for (const line of [origin, ...extensions])
    if (line === "" || [...line].some((char) => char < " "))
      throw malformed("a line of a checkpoint is empty or has a control character");
  return found;
}
