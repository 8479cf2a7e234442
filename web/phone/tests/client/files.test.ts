import { expect, test } from "vitest";
import { attachmentId, hashHolds, PIECE, seal, unseal } from "../../src/client/files";
import { GcmStream } from "../../src/client/gcm";
import { BlobSpool } from "../../src/client/spool";
import { type Bytes, concat, randomBytes, toHex } from "../../src/wire/bytes";

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

test("whatever is changed, nothing comes out", async () => {
  const data = concat(randomBytes(100), new Uint8Array(PIECE));
  const spool = new BlobSpool();
  const file = await seal(new Blob([data]), "x", spool);
  const sealed = await spool.read(0, PIECE + 116);
  expect(await hashHolds(spool, file.hash)).toBe(true);
  for (const at of [0, PIECE - 1, PIECE, PIECE + 99, PIECE + 100, PIECE + 115]) {
    const changed = new Uint8Array(sealed);
    changed[at] = (changed[at] ?? 0) ^ 0x80;
    await expectNothing(changed, file);
  }
  await expectNothing(sealed.slice(0, -1), file);
  await expectNothing(concat(sealed, new Uint8Array(1)), file);
  await expectNothing(sealed, { ...file, size: file.size - 1 });
  await expectNothing(sealed, { ...file, key: randomBytes(32) });
  await expectNothing(sealed, { ...file, nonce: randomBytes(12) });
});

test("a file is encrypted piece by piece, and stops when it is told to", async () => {
  const stop = new AbortController();
  const progress: number[] = [];
  const going = seal(new Blob([new Uint8Array(4 * PIECE)]), "x", new BlobSpool(), {
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

async function expectNothing(sealed: Bytes, file: Parameters<typeof unseal>[1]): Promise<void> {
  const [spool, sink] = [new BlobSpool(), new BlobSpool()];
  await spool.append(sealed);
  await expect(unseal(spool, file, sink)).rejects.toMatchObject({ code: "attachment.corrupt" });
  expect(sink.blob().size).toBe(0);
}
