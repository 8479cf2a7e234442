/** Rows as the pages see them: values without secrets. */

import { cleanName, cleanText } from "./clean";
import { judgedIdentity } from "./contacts";
import type { Core } from "./core";
import type { Attachment, Contact, Conversation, Kind, Message } from "./face";
import type { Groups } from "./groups";
import {
  ACTIVE,
  type ContactRow,
  type FileMeta,
  type MessageRow,
  type StoredFile,
  tables,
} from "./rows";

/** How far a file is through, by message: what the transfers know. */
export interface Progress {
  state: Attachment["state"];
  done: number;
}

const NO_META: FileMeta = { preview: "", width: 0, height: 0, seconds: 0, waveform: [] };

export class Shown {
  /** Set by the owner. */
  progressOf: (message: string) => Progress | undefined = () => undefined;

  /** Set by the owner. */
  inDoubt: (conversation: string) => string[] = () => [];

  constructor(
    private readonly core: Core,
    private readonly groups: Groups,
  ) {}

  contact(row: ContactRow): Contact {
    return {
      address: row.address,
      verified: row.verified,
      changed: row.changed !== null,
      identity: judgedIdentity(row),
    };
  }

  /** A conversation with its twins: two direct ones with one line are one. */
  async conversation(id: string): Promise<Conversation> {
    const twins = this.groups.twins(id);
    const row = this.groups.row(this.groups.shownAs(id));
    const last = await this.newest(id, 0, 1);
    const { address } = this.core.me;
    const direct = row.kind === "direct" && row.peer !== null;
    return {
      id: row.id,
      kind: row.kind,
      name: direct ? (row.peer ?? "") : cleanName(row.name),
      members: direct ? [address, row.peer ?? ""].sort() : this.groups.addresses(row.id),
      timer: row.timer,
      state: row.active === ACTIVE ? "active" : "left",
      unlogged: [...new Set(twins.flatMap((one) => this.inDoubt(one.id)))].sort(),
      unread: twins.reduce((sum, one) => sum + one.unread, 0),
      muted: row.muted,
      draft: row.draft,
      last: last[0] ?? null,
      at: Math.max(...twins.map((one) => one.at)),
    };
  }

  /** The latest first. */
  async conversations(): Promise<Conversation[]> {
    const all = await Promise.all(this.groups.shown().map((row) => this.conversation(row.id)));
    return all.sort((a, b) => b.at - a.at);
  }

  /** The newest `count` before `before` (0: the end), oldest first. */
  async newest(id: string, before: number, count: number): Promise<Message[]> {
    const range = { newest: true, limit: count, ...(before > 0 ? { to: before - 1 } : {}) };
    const found = await Promise.all(
      this.groups.twins(id).map((twin) => this.core.store.range(tables.messages, twin.id, range)),
    );
    const rows = found.flat().map((one) => one.value);
    rows.sort((a, b) => a.seq - b.seq);
    return rows.slice(-count).map((row) => this.message(row));
  }

  message(row: MessageRow): Message {
    return {
      id: row.id,
      conversation: this.groups.has(row.conversation)
        ? this.groups.shownAs(row.conversation)
        : row.conversation,
      seq: row.seq,
      from: row.address,
      mine: row.mine,
      at: row.at,
      kind: kindOf(row),
      text: cleanText(row.text),
      edited: row.edited,
      replyTo: row.replyTo,
      reactions: reactionsOf(row),
      sending: row.state === "received" ? "sent" : row.state,
      failure: row.failure,
      expires: row.expiresAt ?? 0,
      disappears: row.expiresAt !== null || row.expiresIn !== null,
      attachment: row.file === null ? null : this.#attachment(row, row.file),
      notice: row.notice && {
        ...row.notice,
        value: row.notice.value && cleanName(row.notice.value),
      },
    };
  }

  #attachment(row: MessageRow, file: StoredFile): Attachment {
    const progress = this.progressOf(row.id) ?? { state: "remote" as const, done: 0 };
    const { preview, width, height, seconds, waveform } = row.meta ?? NO_META;
    const meta = { preview, width, height, seconds, waveform };
    return {
      name: cleanName(file.name),
      type: file.contentType,
      size: file.size,
      ...progress,
      ...meta,
    };
  }
}

function kindOf(row: MessageRow): Kind {
  if (row.kind === "unknown") return "unreadable";
  if (row.kind !== "file") return row.kind;
  const type = row.file?.contentType ?? "";
  const byType = type.startsWith("image/") ? "photo" : type.startsWith("audio/") ? "voice" : "file";
  // The sender's word, where it goes with the type.
  return (row.meta?.kind ?? byType) === byType ? byType : "file";
}

/** By emoji, in the order in which they were given first. */
function reactionsOf(row: MessageRow): { emoji: string; from: string[] }[] {
  const found = new Map<string, string[]>();
  for (const { emoji, address } of row.reactions) {
    const shown = cleanName(emoji);
    found.set(shown, [...(found.get(shown) ?? []), address]);
  }
  return [...found].map(([emoji, from]) => ({ emoji, from }));
}
