/** Voice notes: recorded by the browser, with a waveform worked out from the sound itself. */
export const BARS = 48;
/** A voice note ends by itself then. Seconds. */
export const LONGEST = 15 * 60;

const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];

export interface VoiceNote {
  file: Blob;
  name: string;
  seconds: number;
  /** 0 to 255 each. */
  waveform: number[];
}

export class Recorder {
  #stream: MediaStream;
  #recorder: MediaRecorder;
  #context: AudioContext;
  #analyser: AnalyserNode;
  #parts: Blob[] = [];
  #began = performance.now();

  private constructor(stream: MediaStream) {
    this.#stream = stream;
    const type = TYPES.find((one) => MediaRecorder.isTypeSupported(one));
    this.#recorder = new MediaRecorder(stream, {
      ...(type ? { mimeType: type } : {}),
      audioBitsPerSecond: 32_000,
    });
    this.#recorder.ondataavailable = (event) => this.#parts.push(event.data);
    this.#context = new AudioContext();
    this.#analyser = this.#context.createAnalyser();
    this.#analyser.fftSize = 512;
    this.#context.createMediaStreamSource(stream).connect(this.#analyser);
    this.#recorder.start(500);
  }

  /** Rejects with the browser's NotAllowedError or NotFoundError. */
  static async start(): Promise<Recorder> {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, channelCount: 1 },
    });
    return new Recorder(stream);
  }

  get seconds(): number {
    return (performance.now() - this.#began) / 1000;
  }

  /** How loud it is now, 0 to 1. */
  level(): number {
    const samples = new Uint8Array(this.#analyser.fftSize);
    this.#analyser.getByteTimeDomainData(samples);
    return Math.min(1, samples.reduce((most, one) => Math.max(most, Math.abs(one - 128)), 0) / 100);
  }

  async stop(): Promise<VoiceNote> {
    const seconds = this.seconds;
    await this.#end();
    const type = this.#recorder.mimeType.split(";")[0] || "audio/webm";
    const file = new Blob(this.#parts, { type });
    return {
      file,
      name: `voice.${type === "audio/mp4" ? "m4a" : (type.split("/")[1] ?? "webm")}`,
      seconds,
      waveform: await waveformOf(file),
    };
  }

  cancel(): void {
    this.#end().catch(() => {});
  }

  async #end(): Promise<void> {
    if (this.#recorder.state !== "inactive") {
      const ended = new Promise((done) => {
        this.#recorder.onstop = done;
      });
      this.#recorder.stop();
      await ended;
    }
    for (const track of this.#stream.getTracks()) track.stop();
    if (this.#context.state !== "closed") await this.#context.close();
  }
}

async function waveformOf(file: Blob): Promise<number[]> {
  const context = new OfflineAudioContext(1, 1, 16_000);
  try {
    const sound = await context.decodeAudioData(await file.arrayBuffer());
    return peaks(sound.getChannelData(0), BARS);
  } catch {
    return []; // A browser that cannot read what it wrote; the note is sent without a picture.
  }
}

/** The loudest of each of `count` equal parts, the loudest of all being 255. */
export function peaks(samples: Float32Array, count: number): number[] {
  if (samples.length === 0) return [];
  const most = Array.from({ length: count }, (_, index) => {
    const from = Math.floor((index * samples.length) / count);
    const to = Math.max(from + 1, Math.floor(((index + 1) * samples.length) / count));
    let peak = 0;
    for (let at = from; at < to; at += 1) peak = Math.max(peak, Math.abs(samples[at] ?? 0));
    return peak;
  });
  const loudest = Math.max(...most, 1e-4);
  return most.map((peak) => Math.round((peak / loudest) * 255));
}
