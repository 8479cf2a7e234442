/**
 * What a page may show of a file before it is fetched. A preview comes from a peer: it is a picture of a known kind
 * that says itself how large it is, or it is nothing. A few bytes can stand for more pixels than a phone has
 * memory for.
 */

import type { Bytes } from "../wire/bytes";
import { MAX_PREVIEW, MAX_SECONDS, MAX_SIDE, MAX_WAVEFORM, type Media } from "../wire/content";
import type { Attachment } from "./face";
import type { FileMeta } from "./rows";

/** Of a preview, in pixels. */
export const MAX_PREVIEW_SIDE = 512;

interface Picture {
  type: "image/jpeg" | "image/png" | "image/webp";
  width: number;
  height: number;
}

/** What kind of picture it is and how large, by its header; null for anything else. */
export function pictureOf(data: Uint8Array): Picture | null {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  try {
    return png(view) ?? jpeg(view) ?? webp(view);
  } catch (problem) {
    if (problem instanceof RangeError) return null;
    throw problem;
  }
}

function png(view: DataView): Picture | null {
  if (view.getUint32(0) !== 0x89504e47 || view.getUint32(4) !== 0x0d0a1a0a) return null;
  if (view.getUint32(12) !== 0x49484452) return null;
  return { type: "image/png", width: view.getUint32(16), height: view.getUint32(20) };
}

/** The frame header (SOF) says it; what comes before it is passed over. */
function jpeg(view: DataView): Picture | null {
  if (view.getUint16(0) !== 0xffd8) return null;
  let at = 2;
  while (view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1);
    if (marker >= 0xc0 && marker <= 0xc2)
      return { type: "image/jpeg", width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    if (marker === 0xda || marker < 0xc0) return null;
    at += 2 + view.getUint16(at + 2);
  }
  return null;
}

/** Only still ones, and no canvas larger than its picture (VP8X). */
function webp(view: DataView): Picture | null {
  if (view.getUint32(0) !== 0x52494646 || view.getUint32(8) !== 0x57454250) return null;
  const form = view.getUint32(12);
  if (form === 0x56503820) {
    const [width, height] = [view.getUint16(26, true), view.getUint16(28, true)];
    return { type: "image/webp", width: width & 0x3fff, height: height & 0x3fff };
  }
  if (form !== 0x5650384c || view.getUint8(20) !== 0x2f) return null;
  const bits = view.getUint32(21, true);
  return { type: "image/webp", width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
}

/** A data: URL, which the pages' policy allows for pictures; "" for what must not be shown. */
export function previewUrl(data: Uint8Array): string {
  const picture = data.length > MAX_PREVIEW ? null : pictureOf(data);
  if (picture === null) return "";
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
