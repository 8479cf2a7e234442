/**
 * Full-text search over what the store holds: words without case and accents, the last one as a beginning.
 *
 *     search.put(change, id, text)        with the message, in the same change; again for an edit
 *     search.remove(change, id)           with its deletion
 *     await search.find("old lette", 50)  ids, the newest first
 *
 * Everything is a record of the store, so a word's row is named by its HMAC and its postings are sealed:
 *
 *     words      by the first two letters: the words that begin with them; by one and "…": those pairs
 *     postings   by word, then by thousand of entries: which of them hold it
 *     entries    by number: the message's id
 *     indexed    by message id: its number and words, so that they can be taken out again
 *
 * Who reads the database sees how many different words there are, not which, and by their sizes which are the
 * frequent ones.
 */

import { bigEndian, concat } from "../wire/bytes";
import { casefold } from "./folding";
import { type Change, type Store, type Table, table } from "./store";

/** Entries of one record of postings. */
const CHUNK = 1024;
const MAX_WORDS = 1000;
const MAX_WORD = 40;
/** Words that a beginning may stand for; of more, the shortest count. */
const MAX_COMPLETIONS = 64;

interface Indexed {
  number: number;
  words: string[];
}

const words: Table<string[]> = table("search words");
/** Offsets within the chunk, two bytes each, growing. */
const postings: Table<Uint8Array> = table("search postings");
const entries: Table<string> = table("search entries");
const indexed: Table<Indexed> = table("search indexed");

// Written without spaces between words: each pair of letters counts as one.
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]+/gu;

export class Search {
  constructor(private readonly store: Store) {}

  /** Index the text of a message, in place of what was indexed of it before. */
  async put(change: Change, id: string, text: string): Promise<void> {
    const before = await change.get(indexed, id);
    const found = wordsOf(text).slice(0, MAX_WORDS);
    if (!before && found.length === 0) return;
    const number = before?.number ?? (await change.next("search"));
    const old = new Set(before?.words ?? []);
    const now = new Set(found);
    await this.#move(
      change,
      number,
      [...now].filter((word) => !old.has(word)),
      true,
    );
    await this.#move(
      change,
      number,
      [...old].filter((word) => !now.has(word)),
      false,
    );
    change.put(indexed, id, { number, words: found });
    change.put(entries, "", id, number);
  }

  /** Whether or not it was indexed. */
  async remove(change: Change, id: string): Promise<void> {
    const before = await change.get(indexed, id);
    if (!before) return;
    await this.#move(change, before.number, before.words, false);
    change.delete(indexed, id);
    change.delete(entries, "", before.number);
  }

  /** Ids of messages that hold every word, the last one only begun; those indexed last come first. */
  async find(query: string, limit: number): Promise<string[]> {
    const asked = wordsOf(query);
    const last = asked.at(-1);
    if (last === undefined) return [];
    const open = /[\p{L}\p{N}]$/u.test(query.normalize("NFKD").replace(/\p{M}+$/u, ""));
    const begun = open ? await this.#completions(last) : [last];
    const whole = open ? asked.slice(0, -1) : asked;
    const sets = await Promise.all([
      ...whole.map((word) => this.#numbers([word])),
      this.#numbers(begun),
    ]);
    const [first, ...rest] = sets.sort((one, other) => one.size - other.size);
    const numbers = [...(first ?? [])].filter((number) => rest.every((set) => set.has(number)));
    numbers.sort((one, other) => other - one);
    const newest = numbers.slice(0, limit);
    const ids = await this.store.several(
      entries,
      newest.map((number) => ["", number]),
    );
    return ids.filter((id) => id !== undefined);
  }

  async #completions(begun: string): Promise<string[]> {
    const head = headOf(begun);
    const heads = Array.from(head).length < 2 ? await this.store.get(words, `${head}…`) : [head];
    const rows = await this.store.ranges(words, (heads ?? []).slice(0, MAX_COMPLETIONS));
    const all = rows.flat().flatMap(({ value }) => value);
    const found = all.filter((word) => word.startsWith(begun));
    return found.sort((one, other) => one.length - other.length).slice(0, MAX_COMPLETIONS);
  }

  async #numbers(any: string[]): Promise<Set<number>> {
    const rows = await this.store.ranges(postings, any);
    return new Set(
      rows.flat().flatMap(({ number, value }) => {
        return Array.from(offsetsOf(value), (offset) => number * CHUNK + offset);
      }),
    );
  }

  /** Into the postings of these words, or out of them. */
  async #move(change: Change, number: number, of: string[], into: boolean): Promise<void> {
    const chunk = Math.floor(number / CHUNK);
    const offset = number % CHUNK;
    const kept = await change.several(
      postings,
      of.map((word) => [word, chunk]),
    );
    of.forEach((word, i) => {
      const next = into ? withOffset(kept[i], offset) : withoutOffset(kept[i], offset);
      if (next.length > 0) change.put(postings, word, next, chunk);
      else change.delete(postings, word, chunk);
    });
    // What has postings here already is remembered already.
    if (into)
      await this.#remember(
        change,
        of.filter((_, i) => kept[i] === undefined),
      );
  }

  /** Words are remembered for good: that one is of no message any more is found when it is looked up. */
  async #remember(change: Change, found: string[]): Promise<void> {
    const heads = [...new Set(found.map(headOf))];
    const byRow = new Map<string, string[]>();
    for (const head of heads) {
      byRow.set(
        head,
        found.filter((word) => headOf(word) === head),
      );
      // So that a single letter finds its heads.
      const first = `${Array.from(head)[0]}…`;
      byRow.set(first, [...(byRow.get(first) ?? []), head]);
    }
    const rows = [...byRow];
    const known = await change.several(
      words,
      rows.map(([row]) => [row, 0]),
    );
    rows.forEach(([row, of], i) => {
      const before = known[i] ?? [];
      const fresh = of.filter((word) => !before.includes(word));
      if (fresh.length > 0) change.put(words, row, [...before, ...fresh]);
    });
  }
}

/** The words of a text, folded, each once, in order. */
export function wordsOf(text: string): string[] {
  const plain = casefold(text.normalize("NFKD")).replace(/\p{M}/gu, "");
  const runs = plain.match(/[\p{L}\p{N}]+/gu) ?? [];
  return [...new Set(runs.flatMap(split))];
}

function split(run: string): string[] {
  const parts: string[] = [];
  let at = 0;
  for (const unspaced of run.matchAll(UNSPACED)) {
    parts.push(run.slice(at, unspaced.index), ...pairs(unspaced[0]));
    at = unspaced.index + unspaced[0].length;
  }
  parts.push(run.slice(at));
  return parts.filter((part) => part).map((part) => Array.from(part).slice(0, MAX_WORD).join(""));
}

/** The last letter alone, too, so that it is found as a beginning. */
function pairs(text: string): string[] {
  const letters = Array.from(text);
  return letters.map((letter, i) => letter + (letters[i + 1] ?? ""));
}

/** Its first two letters, or the one that it has. */
function headOf(word: string): string {
  return Array.from(word).slice(0, 2).join("");
}

function offsetsOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 2 }, (_, i) => view.getUint16(2 * i));
}

/** An edit may index an entry that others came after; a new one is the last. */
function withOffset(bytes: Uint8Array | undefined, offset: number): Uint8Array {
  if (!bytes) return bigEndian(offset, 2);
  const offsets = offsetsOf(bytes.subarray(-2));
  if ((offsets[0] ?? 0) < offset) return concat(bytes, bigEndian(offset, 2));
  const all = new Set([...offsetsOf(bytes), offset]);
  return concat(...[...all].sort((one, other) => one - other).map((one) => bigEndian(one, 2)));
}

function withoutOffset(bytes: Uint8Array | undefined, offset: number): Uint8Array {
  const left = bytes ? offsetsOf(bytes).filter((one) => one !== offset) : [];
  return concat(...left.map((one) => bigEndian(one, 2)));
}
