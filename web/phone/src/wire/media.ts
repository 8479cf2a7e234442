/**
 * What the sender says of a file before it is fetched (docs/protocol.md section 9): an extension of the message, so
 * that who does not know it passes over it. What does not fit is passed over too: the file is as good without it.
 */

import type { Bytes } from "./bytes";
import { malformed, whole } from "./pieces";

export const MEDIA = "chappe.media";
export const MAX_PREVIEW = 6 * 1024;
export const MAX_WAVEFORM = 64;
export const MAX_SIDE = 65535;
export const MAX_SECONDS = 24 * 3600;

const KINDS = ["file", "photo", "voice"] as const;
export type MediaKind = (typeof KINDS)[number];

/**
 * `width`, `height` in pixels and `seconds`: 0 where there are none. `waveform`: loudnesses, a byte each.
 * `preview`: a small picture, unchecked: JPEG, WebP or PNG if the sender is honest.
 */
export interface Media {
  kind: MediaKind;
  width: number;
  height: number;
  seconds: number;
  waveform: Bytes;
  preview: Bytes;
}

/** Throws content.malformed for what a receiver would pass over. */
export function encodeMedia(media: Media): unknown[] {
  const { kind, width, height, seconds, waveform, preview } = media;
  const value = [KINDS.indexOf(kind), whole(width), whole(height), whole(seconds)];
  const made = [...value, waveform, preview];
  if (decodeMedia(made) === null) throw malformed();
  return made;
}

export function decodeMedia(value: unknown): Media | null {
  if (!Array.isArray(value) || value.length !== 6) return null;
  const [at, width, height, seconds, waveform, preview] = value as unknown[];
  const kind = isWithin(at, KINDS.length - 1) ? KINDS[Number(at)] : undefined;
  if (kind === undefined) return null;
  if (!isWithin(width, MAX_SIDE) || !isWithin(height, MAX_SIDE)) return null;
  if (!isWithin(seconds, MAX_SECONDS)) return null;
  if (!isBytes(waveform, MAX_WAVEFORM) || !isBytes(preview, MAX_PREVIEW)) return null;
  const numbers = { width: Number(width), height: Number(height), seconds: Number(seconds) };
  return { kind, ...numbers, waveform: new Uint8Array(waveform), preview: new Uint8Array(preview) };
}

const isWithin = (value: unknown, most: number): value is number | bigint =>
  (Number.isInteger(value) || typeof value === "bigint") &&
  (value as number) >= 0 &&
  (value as number) <= most;

const isBytes = (value: unknown, most: number): value is Uint8Array =>
  value instanceof Uint8Array && value.length <= most;
