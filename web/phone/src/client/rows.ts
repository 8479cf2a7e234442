/**
 * What the phone keeps, table by table. Ids are lower-case hex, times Unix seconds, states and messages bytes.
 * Rows hold their own names: a table read whole gives values alone.
 */

import type { FileAtRest, FileName } from "../vault/files";
import { type Table, table } from "../vault/store";
import type { Bytes } from "../wire/bytes";
import type { MediaKind } from "../wire/content";
import type { SignedReceipt } from "../wire/orders";
import type { Exhibit } from "../wire/reports";
import type { Stream } from "./chain";
import type { Sealed } from "./files";
import type { LogAlarmRow, LogDoubtRow, LogSaltRow } from "./logRows";

export const LEFT = 0;
export const ACTIVE = 1;
/** This line has asked to be put out, and nobody has done it yet. */
export const LEAVING = 2;
export type Activity = typeof LEFT | typeof ACTIVE | typeof LEAVING;

/** A line. Trust on first use: a changed identity is never silent. */
export interface ContactRow {
  address: string;
  line: string;
  identityKey: Bytes;
  verified: boolean;
  /** Another identity, which waits to be accepted. */
  changed: { line: string; identityKey: Bytes } | null;
  /** Only a group has named it so far: nothing is sent to it until the relay has said who it is. */
  unconfirmed: boolean;
}

/** A member's leaf, and whose device is there. */
export interface Place {
  leaf: number;
  address: string;
  device: string;
}

export interface ConversationRow {
  id: string;
  kind: "direct" | "group";
  name: string;
  timer: number;
  /** The other line of a direct conversation. */
  peer: string | null;
  active: Activity;
  createdAt: number;
  /** When this device's leaf was renewed, and how many messages it has sent since. */
  leafAt: number;
  leafSent: number;
  /** The epoch in which a race was lost; -1 for none. */
  blockedEpoch: number;
  epoch: number;
  places: Place[];
  unread: number;
  /** No message with a smaller number is unread. */
  unreadFrom: number;
  /** Of the newest message or change. */
  at: number;
  muted: boolean;
  draft: string;
  /** Missing in a conversation from before there were chains. */
  chain?: OwnChain;
}

/** This device's own place in a conversation's chain of messages. */
export interface OwnChain {
  stream: string;
  /** Of its last message, and that one's hash. */
  counter: number;
  head: Readonly<Bytes>;
  /** The epoch in which it came in. */
  joined: number;
  /** The last epoch of which a message of another history came; -1 for none. */
  strangeEpoch: number;
  /** Messages that came again. */
  replays: number;
  /** Refused for good, and still to be made up for. */
  voids: { link: Bytes; digest: Bytes }[];
}

/** One stream of a device, as this one has seen it. */
export interface StreamRow {
  stream: string;
  address: string;
  state: Stream;
}

/** The newest streams of a device, while this device's own stream is `own`. */
export interface ChainRow {
  own: string;
  streams: StreamRow[];
}

/** What proves who said a message: as it was first, and as it was edited last. `until`: Unix seconds. */
export interface ProofRow {
  first: Exhibit | null;
  last: Exhibit | null;
  until: number;
}

/** A device of which something is missing that was not told yet. `key`: of its ChainRow. */
export interface HoleRow {
  key: string;
  conversation: string;
  due: number;
}

/** What it takes to fetch and open a file. */
export interface StoredFile {
  url: string;
  key: Bytes;
  nonce: Bytes;
  hash: Bytes;
  size: number;
  contentType: string;
  name: string;
  description: string;
}

/** What a photo or a voice note looks like before it is fetched, as its sender says. */
export interface FileMeta {
  /** Missing where nothing was said: its type decides. */
  kind?: MediaKind;
  /** A data: URL that was checked, or "". */
  preview: string;
  width: number;
  height: number;
  seconds: number;
  waveform: number[];
}

export interface ReactionRow {
  id: string;
  address: string;
  emoji: string;
}

export interface Notice {
  what: string;
  who: string[];
  value: string;
}

export type Sending = "queued" | "sent" | "delivered" | "read" | "failed" | "received";

export interface MessageRow {
  id: string;
  conversation: string;
  seq: number;
  address: string;
  mine: boolean;
  at: number;
  kind: "text" | "file" | "notice" | "unreadable" | "deleted" | "unknown";
  text: string;
  edited: boolean;
  replyTo: string | null;
  file: StoredFile | null;
  meta: FileMeta | null;
  state: Sending;
  failure: string;
  expiresIn: number | null;
  expiresAt: number | null;
  read: boolean;
  reactions: ReactionRow[];
  /** By address. */
  receipts: Record<string, "delivered" | "read">;
  notice: Notice | null;
  /** Of an own message that failed: its content, to say it again. */
  content: Bytes | null;
}

/** Where a message is, or the one that a reaction is to. */
export interface WhereRow {
  conversation: string;
  seq: number;
  reaction: boolean;
}

export interface ExpiryRow {
  id: string;
  at: number;
}

/** Kept in clear, encrypted when its turn has come: from then on the bytes are the same each time. */
export interface OutboxRow {
  row: number;
  conversation: string;
  /** Empty for a proposal, which holds in its epoch only. */
  content: Bytes;
  message: string | null;
  epoch: number;
  envelope: Bytes | null;
  recipients: string[];
  payload: Bytes | null;
  /** From the first time that it was encrypted. */
  link?: Bytes | null;
}

/** A device's delivery token, as it told it. */
export interface TokenRow {
  device: string;
  number: number;
  token: Bytes;
}

/** This device's own; `overlap`: seconds that the one before holds beside it. */
export interface OwnToken {
  number: number;
  token: Bytes;
  madeAt: number;
  overlap: number;
}

/** Devices that were told this device's token in a conversation, also those that have gone since. */
export interface ToldRow {
  conversation: string;
  devices: string[];
}

/** Says what, not how: after a lost race it is carried out again on the epoch that won. */
export type Intent =
  /** Let in all devices of a line that are not in. `packages`: key packages fetched for it. */
  | { kind: "add"; address: string; packages: Bytes[] | null }
  /** `impostor`: not who it says; if it cannot be put out, this device goes. */
  | { kind: "remove"; address: string; impostor: boolean }
  /** Put out a device, by a fleet order that was verified. `proposal`: the fleet key's, for one epoch. */
  | { kind: "remove_device"; device: string; order: string; proposal: Bytes | null }
  | { kind: "describe"; name: string | null; timer: number | null }
  /** Renew this device's leaf. */
  | { kind: "refresh" }
  /** Commit what others proposed. */
  | { kind: "settle" }
  /** Propose to put this line out. `epoch`: where that was said last; each epoch forgets it. */
  | { kind: "leave"; epoch: number };

/** While one of these waits, messages wait too: they are for the members there will be. */
export const HOLDS_BACK: ReadonlySet<Intent["kind"]> = new Set([
  "add",
  "remove",
  "remove_device",
  "describe",
  "settle",
]);

export interface IntentRow {
  row: number;
  conversation: string;
  intent: Intent;
}

/** A commit that is being said, and where it leads to. */
export interface CommitRow {
  conversation: string;
  epoch: number;
  /** The whole frame, encoded, with 0 for its ref. */
  frame: Bytes;
  shared: Bytes;
  secret: Bytes;
  intents: number[];
  /** Frames that go before it: the fleet key's proposals that it refers to. */
  first: Bytes[];
  byOrder: boolean;
}

/** A device that an order has put out for good. */
export interface GoneRow {
  device: string;
  order: string;
}

/** A receipt, until the relay has it. */
export interface ReportRow {
  order: string;
  receipt: SignedReceipt;
  told: boolean;
}

/** A message of an epoch not reached yet. */
export interface HeldRow {
  row: number;
  conversation: string;
  at: number;
  payload: Bytes;
}

/** How much one of these is: it is counted without being read. */
export interface ParkedRow {
  row: number;
  conversation: string;
  bytes: number;
}

export interface PackageRow {
  ref: string;
  /** Empty once it has served. */
  stored: Bytes;
  lastResort: boolean;
  expires: number;
  /** The hash of the Welcome that it served. */
  served?: Bytes;
}

/** A file kept here, under a key of its own: by message. */
export interface FileRow {
  message: string;
  file: FileAtRest;
}

/** A file on its way to the relay. Its message stands in for the one that it becomes. */
export interface UploadRow {
  message: string;
  conversation: string;
  meta: FileMeta | null;
  /** Keys, hash and tag: with the file that is kept, its ciphertext. */
  sealed: Sealed;
  /** Where it goes, once the relay has given it room. */
  ticket: { id: Bytes; token: Bytes } | null;
  /** Bytes that the relay had when that was noted last. */
  done: number;
  /** It waits to be sent again. */
  failed: boolean;
}

/** A file on its way here, under the name and key that it will have. */
export interface DownloadRow {
  message: string;
  file: FileName;
}

export interface SettingsRow {
  readReceipts: boolean;
  typing: boolean;
  idleSeconds: number;
  lockOnHide: boolean;
  offlineHours: number;
  notifications: boolean;
}

export const tables = {
  /** Of the transparency log: by conversation and device; numbered; by address and line. */
  logDoubts: table<LogDoubtRow>("logDoubts"),
  logAlarms: table<LogAlarmRow>("logAlarms"),
  logSalts: table<LogSaltRow>("logSalts"),
  meta: table<unknown>("meta"),
  contacts: table<ContactRow>("contacts"),
  conversations: table<ConversationRow>("conversations"),
  /** The two parts of a group's state. */
  shared: table<Bytes>("shared"),
  secret: table<Bytes>("secret"),
  /** By conversation, numbered. */
  messages: table<MessageRow>("messages"),
  /** By id of a message or reaction. */
  where: table<WhereRow>("where"),
  expiries: table<ExpiryRow>("expiries"),
  outbox: table<OutboxRow>("outbox"),
  /** By conversation and device. */
  chains: table<ChainRow>("chains"),
  holes: table<HoleRow>("holes"),
  /** By conversation, numbered as the messages. */
  proofs: table<ProofRow>("proofs"),
  intents: table<IntentRow>("intents"),
  commits: table<CommitRow>("commits"),
  /** By conversation, numbered. */
  held: table<HeldRow>("held"),
  parked: table<ParkedRow>("parked"),
  /** Proposals from outside, by conversation, numbered. */
  outside: table<HeldRow>("outside"),
  packages: table<PackageRow>("packages"),
  gone: table<GoneRow>("gone"),
  reports: table<ReportRow>("reports"),
  files: table<FileRow>("files"),
  uploads: table<UploadRow>("uploads"),
  downloads: table<DownloadRow>("downloads"),
  tokens: table<TokenRow>("tokens"),
  told: table<ToldRow>("told"),
} satisfies Record<string, Table<unknown>>;
