/**
 * What the phone's worker offers, and what the pages call through Comlink. Types only: the pages and the
 * worker are built against this file, and nothing that is a key crosses it.
 *
 * Every call rejects with a `ChappeError` (wire/errors.ts) that survives the crossing: `{code, message}`.
 * Ids are lower-case hex, times Unix seconds, sizes bytes.
 */

import type { PinReason } from "../vault/pins";

/** Where the device stands. `none`: no line here yet. `erased`: by order; `Erased` says whose. */
export type Stage = "none" | "locked" | "open" | "erased";

export interface Me {
  address: string;
  line: string;
  device: string;
  /** Of the relay, as host:port. */
  relay: string;
  hasPin: boolean;
}

export interface Erased {
  at: number;
  reason: string;
  order: string;
  /** Whether the relay has taken the receipt. */
  receiptDelivered: boolean;
}

export interface Conversation {
  id: string;
  kind: "direct" | "group";
  /** The other line's address in a direct conversation, its name in a group. */
  name: string;
  /** Addresses of the lines in it, this one too. */
  members: string[];
  /** What its members agreed on: seconds until messages disappear after they were read, 0 for never. `Bounds` may shorten it here. */
  timer: number;
  state: "active" | "left";
  /** Lines with a device that the transparency log does not show: nothing is sent until a person decides. */
  unlogged: string[];
  unread: number;
  muted: boolean;
  draft: string;
  last: Message | null;
  /** Of the last message or change, for sorting. */
  at: number;
}

export type Kind = "text" | "file" | "voice" | "photo" | "notice" | "unreadable" | "deleted";
/** What became of a message of one's own; `failed` carries a code in `Message.failure`. */
export type Sending = "queued" | "sent" | "delivered" | "read" | "failed";

export interface Attachment {
  name: string;
  type: string;
  size: number;
  state: "remote" | "loading" | "here" | "failed";
  /** Bytes of `size` that are through, up or down. */
  done: number;
  /** Small preview of a photo as a data: URL, or "". */
  preview: string;
  width: number;
  height: number;
  /** Seconds of a voice note, and its waveform, 0 to 255 each. */
  seconds: number;
  waveform: number[];
}

export interface Reaction {
  emoji: string;
  from: string[];
}

export interface Message {
  id: string;
  conversation: string;
  /** Place in the conversation; grows. */
  seq: number;
  from: string;
  mine: boolean;
  at: number;
  kind: Kind;
  text: string;
  edited: boolean;
  replyTo: string | null;
  reactions: Reaction[];
  sending: Sending;
  failure: string;
  /** When it disappears; 0 for never, or where its time has not begun. */
  expires: number;
  /** Its time has begun, or begins when it is read, or has left. */
  disappears: boolean;
  attachment: Attachment | null;
  /** Of a notice: what happened (`joined`, `left`, `removed`, `removed_by_order`, `renamed`, `timer`, `identity_changed`, `gap`, `fork`, …) and to whom. */
  notice: { what: string; who: string[]; value: string } | null;
}

export interface Contact {
  address: string;
  verified: boolean;
  /** The line's identity is another than the one known: nothing is sent until it is accepted. */
  changed: boolean;
  /** What a person judges, compares and accepts: the new identity where it changed. Names it, hides nothing. */
  identity: string;
}

/** Sixty digits in groups of five, of one identity of a line and this one's. */
export interface SafetyNumber {
  number: string;
  /** As in `Contact`. */
  identity: string;
}

export interface DeviceInfo {
  device: string;
  line: string;
  address: string;
  issuedAt: number;
  self: boolean;
}

/** What a notice of the system shows: it leaves the vault, and the system keeps it. */
export type NoticeContent = "text" | "name" | "nothing";

/** What came of a knock. `late`: not all that waits could be read in time. */
export type Knocked = "locked" | "late" | "read";

/**
 * The line's term. Instants are the first at which the next stage holds; from `forgotten` on the relay may
 * destroy what opens this phone.
 */
export interface Term {
  stage: "active" | "grace" | "suspended" | "closed";
  ends: number;
  suspends: number;
  closes: number;
  forgotten: number;
}

export type OwnOrderKind = "erase" | "revoke" | "lock";

/** Stages of an order about a device of this line. Times in Unix seconds; 0: not yet. */
export interface OwnOrder {
  order: string;
  kind: OwnOrderKind;
  reason: string;
  device: string;
  orderedAt: number;
  /** Since when no share of it is released. */
  unreadableAt: number;
  /** In how many conversations it was; null while nobody has told. */
  conversations: number | null;
  /** From how many it is gone. */
  removed: number;
  removedAt: number;
  /** Of its receipt, which was checked here. */
  doneAt: number;
  /** Without one there never was a share to destroy. */
  hasPin: boolean;
}

/**
 * Something that the transparency log should not say, or should. `code`: log.forked, log.frozen, log.not_there,
 * log.own_line, log.broken, log.release, relay.silent or relay.key_reused. `settled`: found after all, or a person has seen to it.
 */
export interface LogAlarm {
  number: number;
  code: string;
  at: number;
  conversation: string;
  address: string;
  device: string;
  settled: boolean;
}

/** The relay's transparency log, as this phone has read it. `watched` false: the relay had none. */
export interface Transparency {
  watched: boolean;
  origin: string;
  entries: number;
  root: string;
  signedAt: number;
  /** Who signed the newest head. */
  signers: { name: string; isWitness: boolean; at: number }[];
  /** This line's, by their hashes in the log; `known`: this line let it in. */
  devices: {
    device: string;
    self: boolean;
    addedAt: number;
    revokedAt: number;
    by: string;
    known: boolean;
  }[];
  alarms: LogAlarm[];
}

export interface Settings {
  readReceipts: boolean;
  typing: boolean;
  idleSeconds: number;
  lockOnHide: boolean;
  offlineHours: number;
  notifications: boolean;
  notices: NoticeContent;
}

/** What the organisation bounds; null where it bounds nothing, or there is none. */
export interface Bounds {
  idleSeconds: number;
  offlineHours: number;
  pinLength: number;
  lockOnHide: boolean;
  /** The timer that a new conversation begins with, and the longest that this device obeys; seconds, 0 for none. */
  disappearFirst: number;
  disappearMax: number;
  /** Whether reading is told to others: the person chooses, or it is ruled. */
  receipts: "free" | "on" | "off";
}

/**
 * Of a new phone for a line that lost every one. `text` goes to the officers; the sixty `digits` are compared by
 * voice. `entered`: it was let in, and wants a PIN.
 */
export interface RecoveryRequest {
  address: string;
  text: string;
  digits: string;
  entered: boolean;
}

/** The name is empty where a code is of no organisation. The relay's word, for who chooses a PIN. */
export interface OrganisationOf {
  name: string;
  pinLength: number;
}

/** `least`: digits of a PIN here. */
export interface PinProblem {
  reason: PinReason;
  least: number;
}

export type Event =
  | { type: "stage"; stage: Stage }
  | { type: "settings"; settings: Settings; bounds: Bounds | null }
  | { type: "online"; online: boolean; problem: string }
  | { type: "conversation"; conversation: Conversation }
  | { type: "conversationGone"; id: string }
  | { type: "message"; message: Message }
  | { type: "messageGone"; conversation: string; id: string }
  | { type: "typing"; conversation: string; address: string; until: number }
  | { type: "contact"; contact: Contact }
  | { type: "term"; term: Term }
  | { type: "transparency"; transparency: Transparency }
  | { type: "failed"; code: string; conversation: string | null };

export interface Hit {
  message: Message;
  conversation: Conversation;
}

/** All that officers see of a message that is reported to them. `conversation`: a group's name, or "". */
export interface ReportView {
  from: string;
  conversation: string;
  /** As it was first, and as it was edited last. `file`: a name; its key goes with it. */
  said: { text: string; file: string; edited: boolean; at: number }[];
  reporter: string;
}

export interface PhoneFace {
  /** Where things stand, without a key. */
  stage(): Promise<Stage>;
  erased(): Promise<Erased | null>;
  me(): Promise<Me>;
  /** `listener` gets every event from now on (Comlink.proxy). Gives a function that ends it. */
  listen(listener: (event: Event) => void): Promise<() => void>;

  /** A new line. `link` is the activation link or QR text, or a bare code of this relay. */
  activate(link: string, name: string, pin: string, tell: (stage: string) => void): Promise<Me>;
  /** A new device of a line: `show` gets the link to show as a QR. */
  receiveLink(
    pin: string,
    show: (link: string) => void,
    tell: (stage: string) => void,
  ): Promise<Me>;
  /** On a device of the line: take the link that the new one shows. */
  giveLink(link: string): Promise<void>;
  /** By an officer's link: what this phone asks of the officers. It stays until it is given up. */
  askRecovery(link: string): Promise<RecoveryRequest>;
  /** The request that waits here. */
  recovery(): Promise<RecoveryRequest | null>;
  /** Come in, where officers let it and the day is over. Raises order.*, devices.too_many. Then `recover` sets a PIN. */
  enterRecovered(): Promise<void>;
  recover(pin: string, tell: (stage: string) => void): Promise<Me>;
  giveUpRecovery(): Promise<void>;
  /** Whose lines an activation code makes. Raises link.*, code.*, network.*. */
  organisationOf(link: string): Promise<OrganisationOf>;
  /** Why a PIN will not do, or null. `least`: digits that an organisation asks for, where none is known here. */
  judgePin(pin: string, address: string, least?: number): Promise<PinProblem | null>;
  /** The lock is shown: make ready what unlocking runs. Touches no secret. */
  warm(): Promise<void>;
  /** A PIN is being typed: ask the relay for what its try needs. */
  expect(): Promise<void>;
  unlock(pin: string, tell: (stage: string) => void): Promise<void>;
  lock(): Promise<void>;
  changePin(old: string, next: string, tell: (stage: string) => void): Promise<void>;
  /** A person did something: idle time begins anew. */
  touch(): Promise<void>;
  /** What the browser says of the network. It may be wrong: a connection that was let go comes back at once. */
  network(present: boolean): Promise<void>;
  /** The page went out of sight, or came back. Locks where a person wants that, or the idle time is over. */
  visible(seen: boolean): Promise<void>;
  /** Something waits at the relay: read it. No use of the phone: anybody could keep it open by that. */
  knocked(): Promise<Knocked>;

  conversations(): Promise<Conversation[]>;
  conversation(id: string): Promise<Conversation>;
  /** The newest `count` before `before` (a seq; 0 for the end), oldest first. */
  messages(id: string, before: number, count: number): Promise<Message[]>;
  search(words: string, count: number): Promise<Hit[]>;
  conversationWith(address: string): Promise<Conversation>;
  /** `told` hears what is done of it: who they are (`people`), what lets them in (`keys`), the `commit`. */
  createGroup(
    name: string,
    addresses: string[],
    told?: (stage: "people" | "keys" | "commit", done: number, all: number) => void,
  ): Promise<Conversation>;
  add(id: string, address: string): Promise<void>;
  remove(id: string, address: string): Promise<void>;
  leave(id: string): Promise<void>;
  rename(id: string, name: string): Promise<void>;
  setTimer(id: string, seconds: number): Promise<void>;
  setMuted(id: string, muted: boolean): Promise<void>;
  setDraft(id: string, text: string): Promise<void>;
  markRead(id: string): Promise<void>;
  typing(id: string): Promise<void>;

  sendText(id: string, text: string, replyTo: string | null): Promise<string>;
  /** `meta` says what the page knows of a photo or a voice note. */
  sendFile(id: string, file: Blob, name: string, meta: Partial<Attachment>): Promise<string>;
  edit(id: string, message: string, text: string): Promise<void>;
  react(id: string, message: string, emoji: string): Promise<void>;
  deleteForAll(id: string, message: string): Promise<void>;
  deleteHere(id: string, message: string): Promise<void>;
  retry(id: string, message: string): Promise<void>;
  /** What a report to the organisation's officers would show; null where none can be made. */
  reportView(message: string): Promise<ReportView | null>;
  /** The report, for a person to hand over: only the officers open it. */
  makeReport(message: string, reason: string): Promise<File>;
  /** The file of a message, downloaded if need be; progress comes as `message` events. Null where it was cancelled. */
  openFile(id: string, message: string): Promise<Blob | null>;
  /** The same, for who takes it piece by piece. Not every browser can hand a stream over. */
  readFile(id: string, message: string): Promise<ReadableStream<Uint8Array> | null>;
  /** Stop a file under way: one that goes out is taken back, one that comes in is fetched no further. */
  cancelFile(id: string, message: string): Promise<void>;

  contacts(): Promise<Contact[]>;
  contact(address: string): Promise<Contact>;
  /** To compare with the other person's. Of the new identity, where it changed. */
  safetyNumber(address: string): Promise<SafetyNumber>;
  /**
   * `identity`: the one that a person compared; a new one is accepted by that. "": not verified any more.
   * Refused (identity.changed) if it is another one meanwhile, as below.
   */
  markVerified(address: string, identity: string): Promise<void>;
  /** `identity`: the one that a person saw. */
  acceptIdentity(address: string, identity: string): Promise<void>;
  /** Devices of every line in a conversation. */
  roster(id: string): Promise<DeviceInfo[]>;
  devices(): Promise<DeviceInfo[]>;
  /** Another device of this line, lost, by the line's owner. Gives the order's id. */
  orderDevice(kind: OwnOrderKind, device: string, reason: string): Promise<string>;
  /** How far such orders got, the newest first. */
  ownOrders(): Promise<OwnOrder[]>;

  /** As the relay told it last; null where the line has none. */
  term(): Promise<Term | null>;
  /** Redeem a renewal code, or the code in a link. */
  renew(code: string): Promise<Term>;

  transparency(): Promise<Transparency>;
  /** Read what is new in the log now. */
  readLog(): Promise<Transparency>;
  /** What proves the alarms, as text to hand on. */
  logEvidence(): Promise<string>;
  /** A person has seen to an alarm. */
  settleAlarm(number: number): Promise<void>;
  /** Give up the log that was believed, and trust the one that the relay shows now. */
  startOver(): Promise<Transparency>;
  /** Write to devices in a conversation that the log does not show: their owner has explained it. */
  acceptUnlogged(id: string): Promise<void>;
  /** The page's manifest (SHA-256 in hex), as the service worker has checked it: the log must have it. */
  runs(release: string): Promise<void>;

  settings(): Promise<Settings>;
  bounds(): Promise<Bounds | null>;
  saveSettings(settings: Settings): Promise<void>;
  /** Whether the browser may evict what is stored here. */
  persisted(): Promise<boolean>;
  /** Keep this subscription at the relay, or null to end it. */
  subscribePush(subscription: PushSubscriptionJSON | null): Promise<void>;
  pushKey(): Promise<string>;
}
