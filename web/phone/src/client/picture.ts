/**
 * What a picture says of itself in its header. A few bytes can stand for more pixels than a phone has memory for:
 * nothing that somebody else sent is given to a decoder before its header was read.
 */

export interface Picture {
  type: "image/jpeg" | "image/png" | "image/webp" | "image/gif";
  width: number;
  height: number;
  /** It may be more than one still picture: an animation, or a canvas larger than what is on it. */
  moving: boolean;
}

/** A photo that is shown: the longest side and all of it, in pixels. As much as cameras make. */
export const MAX_PHOTO_SIDE = 16_384;
export const MAX_PHOTO_PIXELS = 50_000_000;
/** As much of a file as holds its header, in bytes: a camera may write much before a JPEG's. */
export const HEADER = 1024 * 1024;

/** Whether a photo may be decoded and shown, by its first HEADER bytes. */
export function isShowable(head: Uint8Array): boolean {
  const picture = pictureOf(head);
  if (picture === null) return false;
  const { width, height } = picture;
  const sides = [width, height].every((side) => side >= 1 && side <= MAX_PHOTO_SIDE);
  return sides && width * height <= MAX_PHOTO_PIXELS;
}

/** What kind of picture it is and how large, by its header; null for anything else. */
export function pictureOf(data: Uint8Array): Picture | null {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  try {
    return png(view) ?? jpeg(view) ?? webp(view) ?? gif(view);
  } catch (problem) {
    if (problem instanceof RangeError) return null;
    throw problem;
  }
}

const still = (type: Picture["type"], width: number, height: number): Picture => ({
  type,
  width,
  height,
  moving: false,
});

function png(view: DataView): Picture | null {
  if (view.getUint32(0) !== 0x89504e47 || view.getUint32(4) !== 0x0d0a1a0a) return null;
  if (view.getUint32(12) !== 0x49484452) return null;
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  return { type: "image/png", width, height, moving: isAnimated(view) };
}

/** A PNG that moves says so (acTL) before its first pixels. */
function isAnimated(view: DataView): boolean {
  let at = 8;
  while (at + 8 <= view.byteLength) {
    const kind = view.getUint32(at + 4);
    if (kind === 0x6163544c) return true;
    if (kind === 0x49444154) return false;
    at += 12 + view.getUint32(at);
  }
  return false;
}

/** Segments with a length that may stand before the frame header: tables, comments, applications' own. */
const isPassedOver = (marker: number): boolean =>
  marker === 0xc4 ||
  marker === 0xdb ||
  marker === 0xdd ||
  (marker >= 0xe0 && marker <= 0xef) ||
  marker === 0xfe;

/**
 * The frame header (SOF) says it. Whatever else a decoder might read in its own way (fill bytes, markers without a
 * length, other frames) is no picture here: the first frame that is found must be the one that is decoded.
 */
function jpeg(view: DataView): Picture | null {
  if (view.getUint16(0) !== 0xffd8) return null;
  let at = 2;
  while (view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1);
    if (marker >= 0xc0 && marker <= 0xc2)
      return still("image/jpeg", view.getUint16(at + 7), view.getUint16(at + 5));
    if (!isPassedOver(marker)) return null;
    at += 2 + view.getUint16(at + 2);
  }
  return null;
}

function webp(view: DataView): Picture | null {
  if (view.getUint32(0) !== 0x52494646 || view.getUint32(8) !== 0x57454250) return null;
  const form = view.getUint32(12);
  if (form === 0x56503820) {
    const [width, height] = [view.getUint16(26, true), view.getUint16(28, true)];
    return still("image/webp", width & 0x3fff, height & 0x3fff);
  }
  if (form === 0x56503858) {
    const side = (at: number) => 1 + view.getUint16(at, true) + (view.getUint8(at + 2) << 16);
    return { type: "image/webp", width: side(24), height: side(27), moving: true };
  }
  if (form !== 0x5650384c || view.getUint8(20) !== 0x2f) return null;
  const bits = view.getUint32(21, true);
  return still("image/webp", (bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1);
}

/** The logical screen: what lies outside of it is not drawn. */
function gif(view: DataView): Picture | null {
  if (view.getUint32(0) !== 0x47494638) return null;
  const [width, height] = [view.getUint16(6, true), view.getUint16(8, true)];
  return { type: "image/gif", width, height, moving: true };
}
