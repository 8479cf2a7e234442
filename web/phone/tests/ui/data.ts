/** What stands in the demo: a newsroom on an ordinary day. */
import type {
  Attachment,
  Contact,
  Conversation,
  DeviceInfo,
  Message,
  OwnOrder,
  OwnOrderKind,
  RecoveryRequest,
  Transparency,
} from "../../src/client/face.ts";

export const ME = "ada@relay.example";
export const BEN = "ben@relay.example";
export const CLARA = "clara@relay.example";
export const DANIEL = "daniel@relay.example";
export const ELSA = "elsa@relay.example";
export const FARID = "farid@relay.example";

/** Half past five in the afternoon of this day, so that pictures are alike. */
export const NOW = Math.floor(new Date().setHours(17, 30, 0, 0) / 1000);
const MINUTE = 60;
const HOUR = 3600;
const DAY = 24 * HOUR;

export const NOTHING: Attachment = {
  name: "",
  type: "",
  size: 0,
  state: "here",
  done: 0,
  preview: "",
  width: 0,
  height: 0,
  seconds: 0,
  waveform: [],
};

const WAVE = Array.from({ length: 48 }, (_, at) =>
  Math.round(
    40 + 150 * Math.abs(Math.sin(at * 0.7) * Math.cos(at * 0.23)) + (60 * ((at * 37) % 11)) / 11,
  ),
);

let seq = 0;

export function message(
  conversation: string,
  from: string,
  at: number,
  given: Partial<Message>,
): Message {
  seq += 1;
  return {
    id: seq.toString(16).padStart(32, "0"),
    conversation,
    seq,
    from,
    mine: from === ME,
    at,
    kind: "text",
    text: "",
    edited: false,
    replyTo: null,
    reactions: [],
    sending: from === ME ? "read" : "delivered",
    failure: "",
    expires: 0,
    disappears: false,
    attachment: null,
    notice: null,
    ...given,
  };
}

function notice(
  conversation: string,
  from: string,
  at: number,
  what: string,
  who: string[],
  value = "",
): Message {
  return message(conversation, from, at, { kind: "notice", notice: { what, who, value } });
}

export function conversation(id: string, given: Partial<Conversation>): Conversation {
  return {
    id,
    kind: "direct",
    name: "",
    members: [],
    timer: 0,
    state: "active",
    unlogged: [],
    unread: 0,
    muted: false,
    draft: "",
    last: null,
    at: NOW,
    ...given,
  };
}

export function conversations(): Conversation[] {
  return [
    conversation("c1", {
      kind: "group",
      name: "Night desk",
      members: [ME, BEN, CLARA, DANIEL],
      timer: 604_800,
    }),
    conversation("c2", { name: BEN, members: [ME, BEN], unread: 2 }),
    conversation("c3", { name: CLARA, members: [ME, CLARA], draft: "The second source says that" }),
    conversation("c4", { name: ELSA, members: [ME, ELSA] }),
    conversation("c5", {
      kind: "group",
      name: "Travel to Geneva",
      members: [ME, CLARA, ELSA],
      muted: true,
      unread: 5,
    }),
    conversation("c6", { name: DANIEL, members: [ME, DANIEL] }),
    conversation("c7", { kind: "group", name: "Archive", members: [BEN, FARID], state: "left" }),
    conversation("c8", { name: FARID, members: [ME, FARID] }),
  ];
}

export function messages(): Message[] {
  const yesterday = NOW - DAY;
  const plan = message("c1", CLARA, yesterday + HOUR, {
    text: "I have the minutes of the meeting. Forty pages, and page 12 is the one.",
  });
  return [
    notice("c1", ME, yesterday - 2 * HOUR, "created", []),
    notice("c1", ME, yesterday - 2 * HOUR + 30, "added", [DANIEL]),
    message("c1", BEN, yesterday, { text: "Good evening everybody. Who has the desk tonight?" }),
    message("c1", ME, yesterday + 20 * MINUTE, { text: "I do, from eight." }),
    plan,
    message("c1", CLARA, yesterday + HOUR + 40, {
      kind: "file",
      attachment: {
        ...NOTHING,
        name: "Minutes of 14 March, scanned.pdf",
        type: "application/pdf",
        size: 4_812_330,
        state: "remote",
      },
    }),
    message("c1", ME, yesterday + HOUR + 5 * MINUTE, {
      text: "Thank you! Nobody forwards this outside of the desk, please.",
      replyTo: plan.id,
      reactions: [{ emoji: "👍", from: [BEN, CLARA, DANIEL] }],
    }),
    notice("c1", ME, yesterday + HOUR + 6 * MINUTE, "timer", [], "604800"),
    message("c1", DANIEL, NOW - 95 * MINUTE, {
      kind: "photo",
      attachment: {
        ...NOTHING,
        name: "photo.jpg",
        type: "image/jpeg",
        size: 322_144,
        width: 1600,
        height: 1060,
      },
      expires: NOW + 604_800,
      disappears: true,
    }),
    message("c1", DANIEL, NOW - 94 * MINUTE, {
      text: "The view from the roof. They are still there.",
      expires: NOW + 604_800,
      disappears: true,
    }),
    message("c1", BEN, NOW - 70 * MINUTE, {
      kind: "voice",
      attachment: {
        ...NOTHING,
        name: "voice.webm",
        type: "audio/webm",
        size: 61_000,
        seconds: 23,
        waveform: WAVE,
      },
      reactions: [{ emoji: "❤️", from: [ME] }],
      expires: NOW + 604_800,
      disappears: true,
    }),
    message("c1", ME, NOW - 62 * MINUTE, {
      text: "Understood. I call the lawyer, then we print.",
      edited: true,
      expires: NOW + 604_800,
      disappears: true,
    }),
    message("c1", CLARA, NOW - 12 * MINUTE, {
      text: "Page 12 is confirmed: https://archive.example/minutes/12",
      expires: NOW + 604_800,
      disappears: true,
    }),
    message("c1", ME, NOW - 4 * MINUTE, {
      text: "Then we have it. Layout at six.",
      sending: "delivered",
    }),

    message("c2", ME, NOW - 3 * HOUR, { text: "Are you in the office tomorrow?" }),
    message("c2", BEN, NOW - 2 * HOUR, { kind: "deleted" }),
    message("c2", BEN, NOW - 9 * MINUTE, { text: "Yes, from nine." }),
    message("c2", BEN, NOW - 8 * MINUTE, {
      text: "Shall we compare our numbers then? I have a new phone.",
    }),
    message("c3", CLARA, NOW - 5 * HOUR, { text: "Call me when you can." }),
    message("c4", ELSA, NOW - 26 * HOUR, { text: "See you on Monday." }),
    notice("c4", ELSA, NOW - 25 * HOUR, "identity_changed", [ELSA]),
    message("c5", ELSA, NOW - 2 * DAY, {
      kind: "voice",
      attachment: { ...NOTHING, seconds: 41, waveform: WAVE },
    }),
    message("c6", ME, NOW - 3 * DAY, { text: "Merci !", sending: "read" }),
    message("c8", ME, NOW - 8 * DAY, {
      text: "I send you the figures.",
      sending: "failed",
      failure: "mailbox.full",
    }),
    notice("c7", BEN, NOW - 4 * DAY, "removed_by_order", [FARID]),
  ];
}

export function contacts(): Contact[] {
  return [
    { address: BEN, verified: true, changed: false, identity: "ben" },
    { address: CLARA, verified: true, changed: false, identity: "clara" },
    { address: DANIEL, verified: false, changed: false, identity: "daniel" },
    { address: ELSA, verified: false, changed: true, identity: "elsa anew" },
    { address: FARID, verified: false, changed: false, identity: "farid" },
  ];
}

/** One that is through but for its receipt. */
export function order(kind: OwnOrderKind, device: string): OwnOrder {
  const at = NOW - 2 * DAY;
  return {
    order: "0".repeat(32),
    kind,
    device,
    reason: "Left in a taxi",
    orderedAt: at,
    unreadableAt: kind === "erase" ? at + 1 : 0,
    conversations: kind === "lock" ? null : 3,
    removed: kind === "lock" ? 0 : 2,
    removedAt: 0,
    doneAt: 0,
    hasPin: true,
  };
}

export function devicesOf(address: string): DeviceInfo[] {
  const count = address === BEN || address === ME ? 2 : 1;
  return Array.from({ length: count }, (_, at) => ({
    device: `${[...address]
      .reduce((sum, one) => (sum * 33 + one.charCodeAt(0)) >>> 0, 5381 + at)
      .toString(16)
      .padStart(8, "0")}${"0".repeat(24)}`,
    line: "0".repeat(32),
    address,
    issuedAt: NOW - (at + 1) * 40 * DAY,
    self: address === ME && at === 0,
  }));
}

export const TRANSPARENCY: Transparency = {
  watched: true,
  origin: "chappe.example/chappe",
  entries: 1204,
  root: "5f".repeat(32),
  signedAt: NOW - 240,
  signers: [
    { name: "chappe.example/chappe", isWitness: false, at: NOW - 240 },
    { name: "temoin.example", isWitness: true, at: NOW - 239 },
  ],
  devices: [
    { device: "a1".repeat(32), self: true, addedAt: NOW - 9e6, revokedAt: 0, by: "", known: true },
    {
      device: "b2".repeat(32),
      self: false,
      addedAt: NOW - 5e6,
      revokedAt: 0,
      by: "a1".repeat(32),
      known: true,
    },
  ],
  alarms: [],
};

export const RECOVERY: RecoveryRequest = {
  address: ME,
  text: `chappe-request:${"Q29tcHRlTWFyaW4".repeat(20)}`,
  digits: "04182 77310 59246 80013 66725 91184 37006 25519 48830 07264 93317 50628",
  entered: false,
};
