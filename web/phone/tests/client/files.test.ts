import { expect, test } from "vitest";
import { Arriving, attachmentId, PIECE, type Sealed, seal } from "../../src/client/files";
import { GcmStream } from "../../src/client/gcm";
import { type Bytes, concat, randomBytes, toHex } from "../../src/wire/bytes";
import { ciphertext, Memory, sealed } from "./memory";

const CHUNK = 64 * 1024;

async function whole(key: Bytes, nonce: Bytes, data: Bytes): Promise<Bytes> {
  const imported = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt"]);
  return new Uint8Array(
    await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, imported, data),
  );
}

test.each([0, 1, 15, 16, 17, 31, 32, 4096, 5000])("in pieces as in one, %i bytes", async (size) => {
  const [key, nonce, data] = [randomBytes(32), randomBytes(12), randomBytes(size)];
  for (const step of [16, 48, 1024, 8192]) {
    const stream = await GcmStream.start(key, nonce);
    const pieces: Bytes[] = [];
    for (let at = 0; at < size; at += step) {
      pieces.push(await stream.encrypt(data.slice(at, at + step)));
    }
    const sealed = concat(...pieces, stream.tag());
    expect(toHex(sealed)).toBe(toHex(await whole(key, nonce, data)));
  }
});

test("only the last piece is cut", async () => {
  const stream = await GcmStream.start(randomBytes(32), randomBytes(12));
  await stream.encrypt(randomBytes(17));
  await expect(stream.encrypt(randomBytes(16))).rejects.toThrow(RangeError);
  await expect(GcmStream.start(randomBytes(16), randomBytes(12))).rejects.toThrow(TypeError);
});

test.each([0, 1, 15, 16, 17, PIECE - 1, PIECE, PIECE + 17])(
  "a ciphertext of %i bytes is the same from anywhere, and comes back",
  async (size) => {
    const data = new Uint8Array(size).map((_, at) => at % 251);
    const [file, out] = await sealed(data);
    const all = await ciphertext(out);
    expect(toHex(all.subarray(size))).toBe(toHex(file.tag));
    const whole_ = await whole(file.key, file.nonce, data);
    expect(Buffer.from(all).equals(whole_)).toBe(true);
    for (const start of [0, 1, 15, 16, 17, size - 1, size, size + 1, size + 15, size + 16]) {
      if (start < 0) continue;
      for (const end of [start, start + 1, start + 16, start + 70_001, size + 100]) {
        const part = await out.read(start, end);
        expect(Buffer.from(part).equals(all.subarray(start, end))).toBe(true);
      }
    }
    for (const step of [1000, 65_536, 70_001, size + 16]) {
      const found = await taken(all, file, step);
      expect(Buffer.from(found).equals(data)).toBe(true);
    }
  },
);

test("what an earlier run has opened is not needed again", async () => {
  const data = new Uint8Array(3 * CHUNK + 5).map((_, at) => at % 251);
  const [file, out] = await sealed(data);
  const [arriving, sink] = [await Arriving.of(file), new Memory()];
  for (const at of [0, CHUNK]) await arriving.again(data.slice(at, at + CHUNK));
  expect(arriving.received).toBe(2 * CHUNK);
  await arriving.take(await out.read(2 * CHUNK, out.size), sink);
  await arriving.check(sink);
  expect(Buffer.from(sink.bytes).equals(data.subarray(2 * CHUNK))).toBe(true);
  // Something else in its place is found out at the end.
  const other = await Arriving.of(file);
  await other.again(new Uint8Array(CHUNK));
  await other.take(await out.read(CHUNK, out.size), new Memory());
  await expect(other.check(new Memory())).rejects.toMatchObject({ code: "attachment.corrupt" });
});

test("whatever is changed, it is found out", async () => {
  const data = concat(randomBytes(100), new Uint8Array(PIECE));
  const [file, out] = await sealed(data);
  const all = await ciphertext(out);
  expect(await taken(all, file, 1000)).toHaveLength(PIECE + 100);
  for (const at of [0, PIECE - 1, PIECE, PIECE + 99, PIECE + 100, PIECE + 115]) {
    const changed = new Uint8Array(all);
    changed[at] = (changed[at] ?? 0) ^ 0x80;
    await expectCorrupt(changed, file);
  }
  await expectCorrupt(all.slice(0, -1), file);
  await expectCorrupt(concat(all, new Uint8Array(1)), file);
  await expectCorrupt(all, { ...file, size: file.size - 1 });
  await expectCorrupt(all, { ...file, size: file.size + 1 });
  await expectCorrupt(all, { ...file, key: randomBytes(32) });
  await expectCorrupt(all, { ...file, nonce: randomBytes(12) });
  await expectCorrupt(all, { ...file, hash: randomBytes(32) });
});

test("a file is encrypted piece by piece, and stops when it is told to", async () => {
  const stop = new AbortController();
  const progress: number[] = [];
  const going = seal(new Blob([new Uint8Array(4 * PIECE)]), "x", new Memory(), {
    signal: stop.signal,
    progress: (done) => {
      progress.push(done);
      if (done === 2 * PIECE) stop.abort(new Error("stopped"));
    },
  });
  await expect(going).rejects.toThrow("stopped");
  expect(progress).toEqual([PIECE, 2 * PIECE]);
});

test("a URL of another relay, or of none, is no attachment here", () => {
  const id = "A".repeat(43);
  expect(toHex(attachmentId(`mimi://here/a/${id}`, "here"))).toBe("00".repeat(32));
  for (const url of [
    `mimi://there/a/${id}`,
    `mimi://here/b/${id}`,
    `mimi://here/a/${id}A`,
    `mimi://here/a/${id.slice(1)}`,
    `mimi://here/a/${id}/..`,
    "",
  ]) {
    expect(() => attachmentId(url, "here")).toThrow(
      expect.objectContaining({ code: "attachment.unknown" }),
    );
  }
});

async function taken(all: Bytes, file: Sealed, step: number): Promise<Bytes> {
  const [arriving, sink] = [await Arriving.of(file), new Memory()];
  for (let at = 0; at < all.length; at += step) await arriving.take(all.slice(at, at + step), sink);
  await arriving.check(sink);
  return sink.bytes;
}

async function expectCorrupt(all: Bytes, file: Sealed): Promise<void> {
  await expect(taken(all, file, 50_000)).rejects.toMatchObject({ code: "attachment.corrupt" });
}
