/**
 * Whom to believe about a log: its keys, its witnesses, and how many of them. As src/chappe/tlog/policy.py: a
 * checkpoint needs a signature of every key that is listed for its log, and of a quorum of witnesses.
 */

import { type Checkpoint, parseCheckpoint } from "./checkpoints";
import { malformed, TlogError } from "./errors";
import { Kind, VerifierKey } from "./keys";
import { parseNote, verifyNote } from "./notes";
import { fromDecimal, fromUtf8, toHex } from "./text";

export const MAX_LINES = 1000;
export const MAX_GROUPS = 64;
export const MAX_POLICY = 512 * 1024;
const LOG_KINDS: readonly Kind[] = [Kind.ed25519, Kind.cosignatureMlDsa44];
const WITNESS_KINDS: readonly Kind[] = [Kind.cosignatureEd25519, Kind.cosignatureMlDsa44];

/** Holds if `threshold` of its members do; a member is a witness's key or another group. */
export class Group {
  readonly threshold: number;
  readonly members: readonly (VerifierKey | Group)[];

  constructor(threshold: number, members: readonly (VerifierKey | Group)[]) {
    if (threshold < 1 || threshold > members.length)
      throw malformed("a group needs one to all of its members");
    this.threshold = threshold;
    this.members = members;
  }

  met(signed: { has(key: VerifierKey): boolean }): boolean {
    const held = this.members.filter((each) =>
      each instanceof Group ? each.met(signed) : signed.has(each),
    );
    return held.length >= this.threshold;
  }

  witnesses(): VerifierKey[] {
    return this.members.flatMap((each) => (each instanceof Group ? each.witnesses() : [each]));
  }
}

/** A checkpoint that a policy was satisfied with; only `Policy.check` makes one. `note` is all of it. */
export interface SignedCheckpoint {
  checkpoint: Checkpoint;
  note: Uint8Array;
  /** The latest time that a known key gives, in seconds since 1970; 0 if none does. */
  signedAt: bigint;
}

export class Policy {
  readonly logs: readonly VerifierKey[];
  readonly quorum: Group | null;

  constructor(logs: readonly VerifierKey[], quorum: Group | null = null) {
    const witnesses = quorum?.witnesses() ?? [];
    if (logs.some((key) => !LOG_KINDS.includes(key.kind)))
      throw malformed("a log does not sign with a key of this kind");
    if (witnesses.some((key) => !WITNESS_KINDS.includes(key.kind)))
      throw malformed("a witness does not sign with a key of this kind");
    const keys = [...logs, ...witnesses].map((key) => toHex(key.public));
    if (new Set(keys).size !== keys.length) throw malformed("a public key is in the policy twice");
    this.logs = logs;
    this.quorum = quorum;
  }

  /** The checkpoint in a signed note, if every key of its log and enough witnesses have signed it. */
  check(data: Uint8Array): SignedCheckpoint {
    const note = parseNote(data);
    const checkpoint = parseCheckpoint(note.text);
    const logs = this.logs.filter((key) => key.name === checkpoint.origin);
    if (logs.length === 0)
      throw new TlogError("tlog.wrong_log", "a checkpoint of a log that the policy does not name");
    const signed = verifyNote(note, [...logs, ...(this.quorum?.witnesses() ?? [])]);
    if (logs.some((key) => !signed.has(key)))
      throw new TlogError("tlog.unsigned", "the log has not signed with each of its keys");
    if (this.quorum !== null && !this.quorum.met(signed))
      throw new TlogError("tlog.unsigned", "too few witnesses have cosigned");
    let signedAt = 0n;
    for (const at of signed.values()) if (at !== null && at > signedAt) signedAt = at;
    return { checkpoint, note: data, signedAt };
  }

  /** The policy in a file (C2SP tlog-policy); `tlog.malformed` for anything that does not fit. */
  static parse(data: Uint8Array): Policy {
    if (data.length > MAX_POLICY || data.filter((byte) => byte === 10).length > MAX_LINES)
      throw malformed("the policy is too long");
    if (data.some((byte) => (byte < 0x20 && byte !== 9 && byte !== 10) || byte === 0x7f))
      throw malformed("the policy has a control character");
    const reader = new PolicyReader();
    // Names are octets: one character for each keeps them apart as they are.
    const text = Array.from(data, (byte) => String.fromCharCode(byte)).join("");
    for (const line of text.split("\n")) {
      const items = line.split(/[\t ]+/).filter((item) => item !== "");
      if (items.length > 0 && !items[0]?.startsWith("#")) reader.read(items);
    }
    return reader.policy();
  }
}

class PolicyReader {
  private readonly logs: VerifierKey[] = [];
  private readonly names = new Map<string, VerifierKey | Group>();
  private readonly used = new Set<string>();
  private readonly quorum: (Group | null)[] = [];

  read(items: readonly string[]): void {
    const [kind, name = "", third = "", ...rest] = items;
    const count = items.length;
    if (kind === "log" && (count === 2 || count === 3)) this.logs.push(vkey(name));
    else if (kind === "witness" && (count === 3 || count === 4)) this.define(name, vkey(third));
    else if (kind === "group" && rest.length > 0) this.group(name, third, rest);
    else if (kind === "quorum" && count === 2) this.quorum.push(this.rule(name));
    else throw malformed("not a log, witness, group or quorum line");
  }

  policy(): Policy {
    const [quorum, ...more] = this.quorum;
    if (quorum === undefined || more.length > 0) throw malformed("a policy has one quorum line");
    const witnesses = [...this.names.values()].filter((each) => each instanceof VerifierKey);
    // Witnesses outside the quorum are not asked; that they are no doubles is checked all the same.
    new Policy([], witnesses.length > 0 ? new Group(1, witnesses) : null);
    return new Policy(this.logs, quorum);
  }

  private rule(name: string): Group | null {
    if (name === "none") return null;
    const found = this.find(name);
    return found instanceof Group ? found : new Group(1, [found]);
  }

  private group(name: string, count: string, names: readonly string[]): void {
    const groups = [...this.names.values()].filter((each) => each instanceof Group).length;
    if (groups === MAX_GROUPS) throw malformed(`a policy has at most ${MAX_GROUPS} groups`);
    for (const each of names) {
      if (this.used.has(each)) throw malformed("a name that is a member already");
      this.used.add(each);
    }
    const members = names.map((each) => this.find(each));
    this.define(name, new Group(threshold(count, members.length), members));
  }

  private define(name: string, value: VerifierKey | Group): void {
    if (name === "none" || this.names.has(name)) throw malformed("a name that is taken");
    this.names.set(name, value);
  }

  private find(name: string): VerifierKey | Group {
    const found = this.names.get(name);
    if (found === undefined) throw malformed("a name that no line before defines");
    return found;
  }
}

function threshold(count: string, members: number): number {
  if (count === "all") return members;
  return count === "any" ? 1 : Number(fromDecimal(count));
}

function vkey(text: string): VerifierKey {
  return VerifierKey.parse(fromUtf8(Uint8Array.from(text, (char) => char.charCodeAt(0))));
}
