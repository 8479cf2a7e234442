/**
 * Photos before they are sent: drawn anew on a canvas, smaller. What a camera wrote beside the picture (place,
 * time, device) has no way through that.
 */
import { HEADER, pictureOf } from "../../client/picture.ts";

const LONGEST = 2048;
const QUALITY = 0.84;
const PREVIEW = 28;
const TYPE = "image/jpeg";
/** Of a picture that a person chose: no camera makes more. */
const MAX_OWN_PIXELS = 250_000_000;

export interface Photo {
  file: Blob;
  name: string;
  width: number;
  height: number;
  /** A few pixels as a data: URL, shown until the photo itself is here. */
  preview: string;
}

/** Rejects with the browser's InvalidStateError or EncodingError for what is no picture. */
export async function preparePhoto(file: Blob, now = new Date()): Promise<Photo> {
  const head = new Uint8Array(await file.slice(0, HEADER).arrayBuffer());
  const picture = pictureOf(head);
  if (picture !== null && picture.width * picture.height > MAX_OWN_PIXELS)
    throw new DOMException("too many pixels", "EncodingError");
  // Turned as the camera says, once and for all.
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  try {
    const { width, height } = fitted(bitmap.width, bitmap.height, LONGEST);
    const encoded = await draw(bitmap, width, height);
    const small = fitted(bitmap.width, bitmap.height, PREVIEW);
    const preview = await dataUrl(await draw(bitmap, small.width, small.height, 0.6));
    return { file: encoded, name: photoName(now), width, height, preview };
  } finally {
    bitmap.close();
  }
}

/** The largest size with the same shape and no side over `longest`; never larger than it was. */
export function fitted(
  width: number,
  height: number,
  longest: number,
): { width: number; height: number } {
  const scale = Math.min(1, longest / Math.max(width, height));
  return {
    width: Math.max(1, Math.round(width * scale)),
    height: Math.max(1, Math.round(height * scale)),
  };
}

/** Says nothing of the file that it was. */
export function photoName(now: Date): string {
  return `photo-${now.toISOString().slice(0, 10)}.jpg`;
}

async function draw(
  source: ImageBitmap,
  width: number,
  height: number,
  quality = QUALITY,
): Promise<Blob> {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  if (context === null) throw new DOMException("no canvas", "EncodingError");
  // JPEG knows no transparency.
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, width, height);
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, TYPE, quality));
  if (blob === null) throw new DOMException("not encoded", "EncodingError");
  return blob;
}

function dataUrl(blob: Blob): Promise<string> {
  return new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(String(reader.result));
    reader.onerror = () => fail(reader.error);
    reader.readAsDataURL(blob);
  });
}
