/**
 * The organisation's audit log, replayed in this page from its first entry to the head that the relay names, by
 * way of the heads that were seen before (docs/protocol.md section 12.6).
 */
import { MAX_ENTRY } from "../../../phone/src/tlog/chain.ts";
import { Frontier, leafHash } from "../../../phone/src/tlog/merkle.ts";
import { fromBase64, toBase64 } from "../../../phone/src/wire/api.ts";
import { type Bytes, equal } from "../../../phone/src/wire/bytes.ts";
import { error } from "../../../phone/src/wire/errors.ts";
import {
  bytes,
  int,
  list,
  nullable,
  type Of,
  optional,
  struct,
  text,
} from "../../../phone/src/wire/shape.ts";
import { unpacked } from "../../../phone/src/wire/signing.ts";

const id16 = bytes(16);
const absent = optional(nullable(id16), null);
const entryShape = struct({
  version: int(1, 1),
  at: int(0, 2 ** 53),
  what: text(1, 64),
  officers: optional(list(id16, 0, 32), []),
  order: absent,
  kind: optional(nullable(text(1, 32)), null),
  digest: optional(nullable(bytes(32)), null),
  reason: optional(nullable(text(0, 500)), null),
  line: absent,
  device: absent,
  outcome: optional(nullable(text(0, 64)), null),
  number: optional(nullable(int(0, 2 ** 53)), null),
});

/** One thing that happened, at the relay's clock (Unix seconds). */
export type AuditEntry = Of<typeof entryShape>;

/** How long the log was, and its root (32 bytes). */
export interface Head {
  size: number;
  root: Bytes;
}

/** A log that holds. `raw`, `roots` and `entries` belong together, oldest first. */
export interface Audited {
  entries: AuditEntry[];
  raw: Bytes[];
  roots: Bytes[];
  head: Head;
}

export interface Page {
  start: number;
  entries: Bytes[];
  size: number;
  root: Bytes;
}

/** All pages, replayed. Throws audit.rewritten, http.malformed. */
export async function fetchLog(
  ask: (start: number) => Promise<Page>,
  seen: Head[],
): Promise<Audited> {
  const raw: Bytes[] = [];
  for (;;) {
    const page = await ask(raw.length);
    if (page.start !== raw.length) throw error("http.malformed");
    raw.push(...page.entries);
    if (raw.length >= page.size || page.entries.length === 0)
      return replayed(raw, { size: page.size, root: page.root }, seen);
  }
}

/** The log, if its entries lead to this head by way of those that were `seen`. Throws audit.rewritten. */
export function replayed(raw: Bytes[], head: Head, seen: Head[]): Audited {
  const roots: Bytes[] = [];
  let chain = new Frontier();
  for (const entry of raw) {
    if (entry.length > MAX_ENTRY) throw error("audit.rewritten");
    chain = chain.append(leafHash(entry));
    roots.push(new Uint8Array(chain.root()));
  }
  if (raw.length !== head.size || !equal(chain.root(), head.root)) throw error("audit.rewritten");
  const entries = raw.map((entry) => unpacked(entryShape, entry, "audit.rewritten"));
  if (!seen.every((one) => leadsBy(roots, one))) throw error("audit.rewritten");
  return { entries, raw, roots, head };
}

/** Whether the log once had this head. */
export function leadsBy(roots: Bytes[], head: Head): boolean {
  if (head.size === 0) return true;
  const root = roots[head.size - 1];
  return root !== undefined && equal(root, head.root);
}

/** A head as the page shows it, typed in again. Throws http.malformed for what is none. */
export function readHead(size: string, root: string): Head {
  if (!/^[0-9]{1,15}$/.test(size.trim())) throw error("http.malformed");
  return { size: Number(size), root: fromBase64(root.trim(), 32) };
}

/** JSON lines that `chappe desk log check` checks on any machine. `words`: what people read of an entry. */
export function exported(log: Audited, words: (entry: AuditEntry) => object): string {
  const lines = log.entries.map((entry, at) => ({
    number: at,
    ...words(entry),
    data: toBase64(log.raw[at] as Bytes),
    root: toBase64(log.roots[at] as Bytes),
  }));
  const head = { head: { size: log.head.size, root: toBase64(log.head.root) } };
  return [...lines, head].map((one) => `${JSON.stringify(one)}\n`).join("");
}
