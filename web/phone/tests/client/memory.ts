/** Files in memory, for tests. */

import { Outgoing, type Sealed, seal } from "../../src/client/files";
import { type Bytes, concat } from "../../src/wire/bytes";

/** Takes a file, and says how that ended. */
export class Memory {
  pieces: Bytes[] = [];
  ended: "" | "finished" | "paused" | "discarded" = "";

  get bytes(): Bytes {
    return concat(...this.pieces);
  }

  async write(piece: Bytes): Promise<void> {
    this.pieces.push(new Uint8Array(piece));
  }
}

export async function sealed(data: Bytes, name = "x", type = ""): Promise<[Sealed, Outgoing]> {
  const sink = new Memory();
  const file = await seal(new Blob([data], { type }), name, sink);
  const { bytes } = sink;
  return [file, new Outgoing(file, async (start, end) => bytes.slice(start, end))];
}

export function ciphertext(out: Outgoing): Promise<Bytes> {
  return out.read(0, out.size);
}
