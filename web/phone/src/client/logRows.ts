/** What the phone keeps of the transparency log beside the ledger: doubts, alarms and their evidence, salts. */

import type { Bytes } from "../wire/bytes";

export type LogCode =
  | "log.forked"
  | "log.frozen"
  | "log.not_there"
  | "log.own_line"
  | "log.broken"
  | "log.release"
  | "relay.silent"
  | "relay.key_reused";

/** A device in a conversation that the log did not show. `accepted`: a person writes to it all the same. */
export interface LogDoubtRow {
  /** Conversation and device. */
  key: string;
  conversation: string;
  device: string;
  certificate: Bytes;
  address: string;
  at: number;
  state: "checking" | "alarmed" | "accepted";
}

/**
 * `about`: what it is about, so that it is told once. `ours`, `theirs`: signed notes, ours the newest that was
 * believed. `said`: what was found, in English, for whoever looks into it.
 */
export interface LogAlarmRow {
  row: number;
  about: string;
  code: LogCode;
  at: number;
  conversation: string | null;
  address: string;
  device: string;
  settled: boolean;
  ours: Bytes;
  theirs: Bytes;
  said: string;
}

/** What hides a line in the log, as the relay named it first. */
export interface LogSaltRow {
  /** Address and line. */
  key: string;
  salt: Bytes;
}
