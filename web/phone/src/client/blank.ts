/** Rows of messages before anything is in them, and what of a content goes into one. */

import { concat, randomBytes, toHex } from "../wire/bytes";
import { type Body, ID_BYTES } from "../wire/content";
import type { MessageRow, StoredFile } from "./rows";

/** An id that no content has: of notices, and of what could not be read. */
const LOCAL = Uint8Array.of(0);

export const localId = (): string => toHex(concat(LOCAL, randomBytes(ID_BYTES - 1)));

export const blank = {
  text: "",
  edited: false,
  replyTo: null,
  file: null,
  meta: null,
  failure: "",
  expiresIn: null,
  expiresAt: null,
  reactions: [],
  receipts: {},
  notice: null,
  content: null,
} satisfies Partial<MessageRow>;

export function parts(body: Body): {
  kind: "text" | "file" | "unknown";
  text: string;
  file: StoredFile | null;
} {
  if (body.kind === "text") return { kind: "text", text: body.text, file: null };
  if (body.kind !== "attachment") return { kind: "unknown", text: "", file: null };
  const { url, key, nonce, hash, size, contentType, filename, description } = body;
  const file = { url, key, nonce, hash, size, contentType, name: filename, description };
  return { kind: "file", text: description, file };
}
