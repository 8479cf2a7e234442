/** Signed notes (C2SP signed-note). Parsing believes nothing; `verify` says which known keys have signed. */

import { malformed } from "./errors";
import { checkName, ID_SIZE, type VerifierKey } from "./keys";
import { fromBase64, fromUtf8, toHex } from "./text";

export const MAX_NOTE = 256 * 1024;
export const MAX_SIGNATURES = 64;
const DASH = "\u2014 ";

export interface NoteSignature {
  name: string;
  id: Uint8Array;
  signature: Uint8Array;
}

/** A text, with its last newline, and the signatures in their order. */
export interface SignedNote {
  text: string;
  signatures: NoteSignature[];
}

/** The note; `tlog.malformed` for what is too long, not UTF-8, or not of the form. */
export function parseNote(data: Uint8Array): SignedNote {
  if (data.length > MAX_NOTE) throw malformed(`a note has at most ${MAX_NOTE} bytes`);
  const whole = fromUtf8(data);
  if ([...whole].some((char) => char < " " && char !== "\n"))
    throw malformed("a note has a control character");
  const gap = whole.lastIndexOf("\n\n");
  if (gap < 0 || !whole.slice(gap + 2).endsWith("\n"))
    throw malformed("a note is a text, an empty line and signature lines");
  const lines = whole.slice(gap + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES)
    throw malformed(`a note has at most ${MAX_SIGNATURES} signatures`);
  return { text: whole.slice(0, gap + 1), signatures: lines.map(parseLine) };
}

function parseLine(line: string): NoteSignature {
  const space = line.indexOf(" ", DASH.length);
  if (!line.startsWith(DASH) || space < 0)
    throw malformed("a signature line is a dash, a name and a signature");
  const data = fromBase64(line.slice(space + 1));
  if (data.length <= ID_SIZE) throw malformed("a signature line without a signature");
  const name = checkName(line.slice(DASH.length, space));
  return { name, id: data.slice(0, ID_SIZE), signature: data.slice(ID_SIZE) };
}

/**
 * Which of `keys` have signed, each once, with the latest time it says (null for a plain signature). Lines of
 * other keys are left alone; a line of one of these that does not hold is `tlog.wrong_signature`.
 */
export function verifyNote(
  note: SignedNote,
  keys: readonly VerifierKey[],
): Map<VerifierKey, bigint | null> {
  const known = new Map<string, VerifierKey>();
  for (const key of keys) {
    const found = known.get(place(key));
    if (found !== undefined && found.toString() !== key.toString())
      throw malformed("two keys with one name and one id");
    known.set(place(key), found ?? key);
  }
  const signed = new Map<VerifierKey, bigint | null>();
  for (const each of note.signatures) {
    const key = known.get(place(each));
    if (key === undefined) continue;
    const at = key.verify(note.text, each.signature);
    const before = signed.get(key) ?? null;
    signed.set(key, at !== null && before !== null && before > at ? before : at);
  }
  return signed;
}

function place(key: { name: string; id: Uint8Array }): string {
  return `${toHex(key.id)} ${key.name}`;
}
