/// <reference types="node" />

import "fake-indexeddb/auto";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { DatabaseCabinet } from "../../src/vault/cabinet";
import { CHUNK, type FileAtRest, type FileName, Files } from "../../src/vault/files";
import { randomBytes } from "../../src/wire/bytes";
import { error } from "../../src/wire/errors";
import { bytesOf, dump, type RawRecord, withRaw } from "./raw";

let cabinetName = "";
let count = 0;
let files: Files;
let cabinet: DatabaseCabinet;

beforeEach(async () => {
  cabinetName = `files ${++count}`;
  cabinet = await DatabaseCabinet.open(cabinetName);
  files = new Files(cabinet);
});

/** In pieces of odd sizes, as a network gives them. */
function stream(content: Uint8Array, piece = 10_007): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(out) {
      if (at >= content.length) return out.close();
      out.enqueue(content.slice(at, at + piece));
      at += piece;
    },
  });
}

/** `randomBytes` gives 64 KiB at most. */
function long(length: number): Uint8Array {
  const made = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536)
    made.set(randomBytes(Math.min(65536, length - at)), at);
  return made;
}

const read = async (file: FileAtRest) =>
  Buffer.from(await (await files.blob(file, "image/png")).arrayBuffer());
const damaged = { code: "storage.failed" };

test.each([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK, 700_001])(
  "a file of %i bytes comes back as it was",
  async (length) => {
    const content = long(length);
    const file = await files.write(stream(content));
    expect(file.size).toBe(length);
    expect((await read(file)).equals(Buffer.from(content))).toBe(true);
    expect((await files.blob(file, "image/png")).type).toBe("image/png");
  },
);

test("what lies in the database is none of it, nor its key", async () => {
  const canary = Buffer.from("CANARY".repeat(20_000));
  const file = await files.write(stream(canary));
  const all = bytesOf(await dump(cabinetName));
  expect(all.length).toBeGreaterThan(canary.length);
  expect(all.includes("CANARY")).toBe(false);
  expect(all.includes(Buffer.from(file.key))).toBe(false);
});

describe("a file whose writing was cut off", () => {
  const content = long(10 * CHUNK + 7);

  async function goOn(name: FileName): Promise<{ seen: number; file: FileAtRest }> {
    let seen = 0;
    const writer = await files.writer(name, async (chunk) => {
      expect(Buffer.from(chunk).equals(content.subarray(seen, seen + CHUNK))).toBe(true);
      seen += chunk.length;
    });
    expect(writer.size).toBe(seen);
    await writer.write(content.subarray(seen));
    return { seen: seen / CHUNK, file: await writer.finish() };
  }

  async function begun(length: number): Promise<FileName> {
    const name = files.newName();
    const writer = await files.writer(name);
    await writer.write(content.subarray(0, length));
    await writer.pause();
    return name;
  }

  test.each([0, 5, CHUNK, 3 * CHUNK, 3 * CHUNK + 1, 9 * CHUNK])(
    "after %i bytes goes on behind the last whole chunk",
    async (length) => {
      const name = await begun(length);
      const whole = Math.max(0, Math.ceil(length / CHUNK) - 1);
      expect(await files.written(name.id)).toBe(whole * CHUNK);
      const { seen, file } = await goOn(name);
      expect(seen).toBe(whole);
      expect((await read(file)).equals(Buffer.from(content))).toBe(true);
    },
  );

  test("and that was damaged goes on before the damage", async () => {
    const name = await begun(8 * CHUNK);
    await withRaw(cabinetName, async (database) => {
      const part = (await database.get("parts", [name.id, 1])) as Uint8Array;
      part[100] = (part[100] ?? 0) ^ 1;
      await database.put("parts", part, [name.id, 1]);
    });
    const { seen, file } = await goOn(name);
    expect(seen).toBe(3);
    expect((await read(file)).equals(Buffer.from(content))).toBe(true);
  });

  test("and that is not wanted any more leaves nothing", async () => {
    const name = await begun(8 * CHUNK);
    await (await files.writer(name)).discard();
    expect(await dump(cabinetName)).toEqual([]);
  });

  test("writes no chunk twice under one nonce", async () => {
    const nonces = new Set<string>();
    const encrypt = vi.spyOn(crypto.subtle, "encrypt").mockImplementation(async (how) => {
      nonces.add(Buffer.from((how as AesGcmParams).iv as Uint8Array).toString("hex"));
      return new ArrayBuffer(CHUNK + 16);
    });
    const name = files.newName();
    for (let i = 0; i < 3; i++) {
      const writer = await files.writer(name);
      await writer.write(content.subarray(0, 4 * CHUNK));
      await writer.pause();
    }
    expect(nonces.size).toBe(9);
    encrypt.mockRestore();
  });
});

describe("a file", () => {
  const change = async (work: (parts: RawRecord[]) => RawRecord[]) => {
    const parts = (await dump(cabinetName)).filter((one) => one.store === "parts");
    await withRaw(cabinetName, async (database) => {
      await database.clear("parts");
      for (const { key, value } of work(parts)) await database.put("parts", value, key);
    });
  };
  const mapped = (all: (bytes: Uint8Array) => Uint8Array) =>
    change((parts) => parts.map((one) => ({ ...one, value: all(one.value as Uint8Array) })));
  const SEALED = CHUNK + 28;

  test.each<[string, (bytes: Uint8Array) => Uint8Array]>([
    ["cut within a chunk", (bytes) => bytes.slice(0, -1)],
    ["cut between chunks", (bytes) => bytes.slice(0, 2 * SEALED)],
    ["with a bit changed", (bytes) => bytes.map((byte, i) => (i === 100_000 ? byte ^ 1 : byte))],
    [
      "with two chunks exchanged",
      (bytes) =>
        Buffer.concat([
          bytes.slice(SEALED, 2 * SEALED),
          bytes.slice(0, SEALED),
          bytes.slice(2 * SEALED),
        ]),
    ],
  ])("%s does not open", async (_, spoil) => {
    const file = await files.write(stream(long(3 * CHUNK)));
    await mapped(spoil);
    await expect(read(file)).rejects.toMatchObject(damaged);
  });

  test("said to be shorter than it is does not open", async () => {
    const file = await files.write(stream(long(3 * CHUNK)));
    await expect(read({ ...file, size: 2 * CHUNK })).rejects.toMatchObject(damaged);
    await expect(read({ ...file, size: 4 * CHUNK })).rejects.toMatchObject(damaged);
  });

  test("under another's name does not open; one that is gone is told", async () => {
    const [one, two] = [await files.write(stream(long(10))), await files.write(stream(long(10)))];
    await expect(read({ ...one, id: two.id })).rejects.toMatchObject(damaged);
    await files.delete(one.id);
    await files.delete(one.id);
    await expect(read(one)).rejects.toMatchObject(damaged);
  });

  test("whose writing fails leaves nothing", async () => {
    const broken = new ReadableStream<Uint8Array>({
      start(out) {
        out.enqueue(long(600_000));
      },
      pull(out) {
        out.error(new Error("the network"));
      },
    });
    await expect(files.write(broken)).rejects.toThrow("the network");
    expect(await dump(cabinetName)).toEqual([]);
    const put = vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(() => {
      throw new DOMException("", "QuotaExceededError");
    });
    await expect(files.write(stream(long(10)))).rejects.toMatchObject({ code: "storage.full" });
    put.mockRestore();
  });

  test("that no record names is swept away", async () => {
    const [one, two] = [await files.write(stream(long(10))), await files.write(stream(long(10)))];
    await files.sweep(new Set([one.id]));
    expect(await cabinet.list()).toEqual([one.id]);
    await expect(read(two)).rejects.toMatchObject(damaged);
    expect(await read(one)).toHaveLength(10);
  });

  test("that cannot be swept away now, since somebody holds it still, keeps nobody out", async () => {
    const held = await files.write(stream(long(10)));
    await files.write(stream(long(10)));
    const remove = vi.spyOn(cabinet, "delete").mockImplementation(async (id) => {
      if (id === held.id) throw error("storage.failed");
      await DatabaseCabinet.prototype.delete.call(cabinet, id);
    });
    await files.sweep(new Set());
    expect(await cabinet.list()).toEqual([held.id]);
    remove.mockRestore();
    await files.sweep(new Set());
    expect(await cabinet.list()).toEqual([]);
  });
});
