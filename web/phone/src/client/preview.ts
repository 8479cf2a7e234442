/**
 * What a page may show of a file before it is fetched. A preview comes from a peer: it is a picture of a known kind
 * that says itself how large it is, or it is nothing. A few bytes can stand for more pixels than a phone has
 * memory for.
 */

import type { Bytes } from "../wire/bytes";
import { MAX_PREVIEW, MAX_SECONDS, MAX_SIDE, MAX_WAVEFORM, type Media } from "../wire/content";
import type { Attachment } from "./face";
import { pictureOf } from "./picture";
import type { FileMeta } from "./rows";

/** Of a preview, in pixels. */
export const MAX_PREVIEW_SIDE = 512;

/** A data: URL, which the pages' policy allows for pictures; "" for what must not be shown. */
export function previewUrl(data: Uint8Array): string {
  const picture = data.length > MAX_PREVIEW ? null : pictureOf(data);
  // Only still ones: a preview is drawn for everybody who looks at the list.
  if (picture === null || picture.moving) return "";
  const sides = [picture.width, picture.height];
  if (sides.some((side) => side < 1 || side > MAX_PREVIEW_SIDE)) return "";
  return `data:${picture.type};base64,${btoa(String.fromCharCode(...data))}`;
}

/** The bytes of such a URL; none where it is no preview. */
export function previewBytes(url: string): Bytes {
  const found = /^data:image\/(?:jpeg|png|webp);base64,([A-Za-z0-9+/]*={0,2})$/.exec(url);
  if (found === null || url.length > 2 * MAX_PREVIEW) return new Uint8Array();
  try {
    const data = Uint8Array.from(atob(found[1] ?? ""), (one) => one.charCodeAt(0));
    return previewUrl(data) === "" ? new Uint8Array() : data;
  } catch {
    return new Uint8Array();
  }
}

/** As it is kept and shown, from what a peer said. */
export function metaOfMedia(media: Media | null): FileMeta | null {
  if (media === null) return null;
  const { kind, width, height, seconds, waveform, preview } = media;
  return { kind, width, height, seconds, waveform: [...waveform], preview: previewUrl(preview) };
}

/** What is said to peers; null where there is nothing to say. */
export function mediaOfMeta(meta: FileMeta | null): Media | null {
  if (meta?.kind === undefined) return null;
  const { kind, width, height, seconds, waveform, preview } = meta;
  const bytes = { waveform: Uint8Array.from(waveform), preview: previewBytes(preview) };
  return { kind, width, height, seconds, ...bytes };
}

/** What a page says of a file, as far as it fits. */
export function metaOfPage(meta: Partial<Attachment>): FileMeta {
  const width = whole(meta.width, MAX_SIDE);
  const height = whole(meta.height, MAX_SIDE);
  const seconds = whole(meta.seconds, MAX_SECONDS);
  const waveform = narrowed(meta.waveform ?? []);
  const preview = previewUrl(previewBytes(meta.preview ?? ""));
  const heard = seconds > 0 || waveform.length > 0;
  const seen = width > 0 || height > 0 || preview !== "";
  const kind = heard ? "voice" : seen ? "photo" : null;
  return { width, height, seconds, waveform, preview, ...(kind === null ? {} : { kind }) };
}

const whole = (value: number | undefined, most: number): number =>
  Number.isFinite(value) ? Math.min(most, Math.max(0, Math.ceil(value as number))) : 0;

/** At most so many values as travel, the loudest of each part. */
function narrowed(waveform: readonly number[]): number[] {
  const count = Math.min(MAX_WAVEFORM, waveform.length);
  const part = (index: number): number => Math.floor((index * waveform.length) / count);
  return Array.from({ length: count }, (_, index) =>
    Math.max(...waveform.slice(part(index), part(index + 1)).map((one) => whole(one, 255))),
  );
}
