/** QR codes from the camera: the browser's own detector, or a small one that loads only where there is none. */
interface Detector {
  detect(source: HTMLVideoElement): Promise<{ rawValue: string }[]>;
}
type NativeDetector = {
  new (options: { formats: string[] }): Detector;
  getSupportedFormats(): Promise<string[]>;
};

function none(): string[] {
  return [];
}

async function detector(): Promise<Detector> {
  const native = (globalThis as { BarcodeDetector?: NativeDetector }).BarcodeDetector;
  // Some browsers have the class and no code behind it.
  if (native && (await native.getSupportedFormats().catch(none)).includes("qr_code"))
    return new native({ formats: ["qr_code"] });
  const { decodeQR } = await import("qr/decode.js");
  return { detect: async (video) => decodeFrame(video, decodeQR) };
}

type Decode = (image: { width: number; height: number; data: Uint8ClampedArray }) => string;

function decodeFrame(video: HTMLVideoElement, decode: Decode): { rawValue: string }[] {
  const side = Math.min(video.videoWidth, video.videoHeight);
  if (side === 0) return [];
  const canvas = new OffscreenCanvas(Math.min(side, 720), Math.min(side, 720));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) return [];
  const left = (video.videoWidth - side) / 2;
  const top = (video.videoHeight - side) / 2;
  context.drawImage(video, left, top, side, side, 0, 0, canvas.width, canvas.height);
  try {
    return [{ rawValue: decode(context.getImageData(0, 0, canvas.width, canvas.height)) }];
  } catch {
    return []; // No code in this picture.
  }
}

/**
 * Show the rear camera in `video` until a code is seen or `signal` ends it. Rejects with the browser's
 * NotAllowedError, NotFoundError.
 */
export async function scan(video: HTMLVideoElement, signal: AbortSignal): Promise<string> {
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { facingMode: "environment", width: { ideal: 1280 } },
    audio: false,
  });
  try {
    video.srcObject = stream;
    await video.play();
    const eye = await detector();
    while (!signal.aborted) {
      const [found] = await eye.detect(video);
      if (found?.rawValue) return found.rawValue;
      await new Promise((resolve) => setTimeout(resolve, 120));
    }
    throw new DOMException("ended", "AbortError");
  } finally {
    for (const track of stream.getTracks()) track.stop();
  }
}
