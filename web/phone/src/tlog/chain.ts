/** A log as rows, and their replay: as src/chappe/tlog/chain.py. The phone checks what the relay keeps. */

import { TlogError } from "./errors";
import { Frontier, leafHash } from "./merkle";
import { equal } from "./text";

export const MAX_ENTRY = 65_535;

/** What is stored of one entry. `root` is the tree head with this entry as the last. */
export interface Row {
  index: bigint;
  entry: Uint8Array;
  root: Uint8Array;
}

/** `index`: the first row that does not fit; all before it do. */
export class BrokenChain extends TlogError {
  readonly index: bigint;

  constructor(message: string, index: bigint) {
    super("tlog.broken_chain", message);
    this.index = index;
  }
}

/** The frontier that the rows make, every root checked; `start` is one that was verified before. */
export function replay(rows: Iterable<Row>, start = new Frontier()): Frontier {
  let chain = start;
  for (const row of rows) {
    if (row.index !== chain.size)
      throw new BrokenChain(`entry ${chain.size} is missing or out of place`, chain.size);
    if (row.entry.length > MAX_ENTRY)
      throw new BrokenChain(`entry ${row.index} is too long`, row.index);
    chain = chain.append(leafHash(row.entry));
    if (!equal(chain.root(), row.root))
      throw new BrokenChain(`entry ${row.index} is not the one its root was made of`, row.index);
  }
  return chain;
}

/** `replay`, and that the rows end in exactly the head `size`, `root`. */
export function replayTo(
  rows: Iterable<Row>,
  head: { size: bigint; root: Uint8Array },
  start = new Frontier(),
): Frontier {
  const chain = replay(rows, start);
  const said = `there are ${chain.size} entries, ${head.size} are said`;
  if (chain.size < head.size) throw new BrokenChain(said, chain.size);
  if (chain.size > head.size) throw new BrokenChain(said, head.size);
  if (!equal(chain.root(), head.root))
    throw new BrokenChain("the entries do not lead to the root", chain.size);
  return chain;
}
