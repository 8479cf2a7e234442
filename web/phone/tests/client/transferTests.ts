import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Connection } from "../../src/client/connection";
import {
  Arriving,
  attachmentId,
  attachmentOf,
  type Outgoing,
  PIECE,
  type Sealed,
} from "../../src/client/files";
import { HttpApi } from "../../src/client/http";
import { download, ticketFor, upload } from "../../src/client/transfers";
import type { Net } from "../../src/client/transport";
import { toBase64 } from "../../src/wire/api";
import { type Bytes, randomBytes, toHex } from "../../src/wire/bytes";
import type { Typed } from "../../src/wire/frames";
import { unplain } from "../wire/cases";
import { ciphertext, Memory, sealed } from "./memory";
import { Device, online, type Relay } from "./relay";

const MIB = 1024 * 1024;

/** Some bytes that no piece repeats, without a megabyte of chance. */
function content(size: number): Bytes {
  const start = randomBytes(997);
  const data = new Uint8Array(size);
  for (let at = 0; at < size; at += 997) {
    data.set(start.subarray(0, Math.min(997, size - at)), at);
    data[at] = at >> 10;
  }
  return data;
}

async function opened(all: Bytes, file: Sealed): Promise<Bytes> {
  const [arriving, sink] = [await Arriving.of(file), new Memory()];
  await arriving.take(all, sink);
  await arriving.check(sink);
  return sink.bytes;
}

/** On a real relay: `given` gives it once it runs. */
export function transferTests(given: () => Relay): void {
  let relay: Relay;
  let net: Net;
  let api: HttpApi;
  let connection: Connection;

  beforeAll(async () => {
    relay = given();
    net = await relay.net();
    api = new HttpApi(net);
    const device = new Device("ada");
    await device.activate(net, await relay.do<string>("code"));
    connection = (await online(net, device)).connection;
  });
  afterAll(() => connection.close());

  async function ticketOf(out: Outgoing): Promise<Typed<"ticket">> {
    return ticketFor(net, connection, out.size);
  }

  test("a file goes up and comes down, with its progress", async () => {
    const data = content(2 * MIB + 5);
    const [file, out] = await sealed(data, "a/b.txt", "text/plain");
    const ticket = await ticketOf(out);
    const [up, down]: [number[], number[]] = [[], []];
    await upload(net, api, ticket, out, { progress: (done) => up.push(done) });
    expect(up).toEqual([0, MIB, 2 * MIB, data.length + 16]);
    const [arriving, sink] = [await Arriving.of(file), new Memory()];
    const attachment = attachmentOf(file, "localhost", ticket.id);
    const id = attachmentId(attachment.url, "localhost");
    await download(net, api, id, arriving, sink, { progress: (done) => down.push(done) });
    expect(down.at(-1)).toBe(data.length);
    expect(same(sink.bytes, data)).toBe(true);
    expect(attachment).toMatchObject({ filename: "ab.txt", contentType: "text/plain" });
  });

  test("an upload that was cut off in the middle of a piece goes on where the relay is", async () => {
    const [, spool] = await sealed(content(3 * MIB));
    const ticket = await ticketOf(spool);
    await cutOff(net, ticket, await spool.read(0, 700_000));
    let held = 0;
    while (held === 0) held = await api.uploadOffset(ticket.id);
    expect(held).toBeLessThanOrEqual(700_000);
    const up: number[] = [];
    await upload(net, api, ticket, spool, { progress: (done) => up.push(done) });
    expect(up[0]).toBe(held);
    expect(up.at(-1)).toBe(spool.size);
    await expectWhole(ticket, spool);
  });

  test("a relay that is killed in the middle of an upload loses nothing", async () => {
    const [, spool] = await sealed(content(3 * MIB));
    const ticket = await ticketOf(spool);
    let killed: Promise<unknown> | null = null;
    const up: number[] = [];
    await upload(net, api, ticket, spool, {
      progress: (done) => {
        up.push(done);
        if (done >= MIB) killed ??= relay.do("kill").then(() => relay.do("start"));
      },
    });
    await killed;
    expect(killed).not.toBe(null);
    // What was durable before the kill is not sent again.
    expect(up.filter((done) => done === 0)).toEqual([0]);
    await expectWhole(ticket, spool);
  }, 40_000);

  test("both ways stop when they are told to, and go on later", async () => {
    const data = content(3 * MIB);
    const [file, spool] = await sealed(data);
    const ticket = await ticketOf(spool);
    const stop = new AbortController();
    const going = upload(net, api, ticket, spool, {
      signal: stop.signal,
      progress: (done) => done >= MIB && stop.abort(new Error("stopped")),
    });
    await expect(going).rejects.toThrow("stopped");
    const held = await api.uploadOffset(ticket.id);
    expect(held).toBeGreaterThanOrEqual(MIB);
    expect(held).toBeLessThan(3 * MIB);
    await upload(net, api, ticket, spool);
    const again = new AbortController();
    const [arriving, sink] = [await Arriving.of(file), new Memory()];
    const coming = download(net, api, ticket.id, arriving, sink, {
      signal: again.signal,
      progress: (done) => done > 100_000 && again.abort(new Error("stopped")),
    });
    await expect(coming).rejects.toThrow("stopped");
    const here = arriving.received;
    expect(here).toBeGreaterThan(100_000);
    const down: number[] = [];
    const progress = (done: number) => down.push(done);
    await download(net, api, ticket.id, arriving, sink, { progress });
    expect(down[0]).toBeGreaterThan(here);
    expect(same(sink.bytes, data)).toBe(true);
  });

  test("what is not what its sender sent is thrown away", async () => {
    const [file, spool] = await sealed(content(1000));
    const ticket = await ticketOf(spool);
    const wrong = await ciphertext(spool);
    wrong[500] = (wrong[500] ?? 0) ^ 1;
    const read = async (start: number, end: number) => wrong.slice(start, end);
    await upload(net, api, ticket, { size: wrong.length, read });
    for (const said of [file, { ...file, size: 900 }, { ...file, size: 1100 }]) {
      const getting = Arriving.of(said).then((one) =>
        download(net, api, ticket.id, one, new Memory()),
      );
      await expect(getting).rejects.toMatchObject({
        // Where more is said than there is, the relay has no such range.
        code: said.size > 1000 ? "attachment.bad_range" : "attachment.corrupt",
      });
    }
    const strange = { id: ticket.id, token: randomBytes(32) };
    const more = await ticketOf(spool);
    await expect(upload(net, api, { ...strange, id: more.id }, spool)).rejects.toMatchObject({
      code: "attachment.bad_token",
    });
    const arriving = await Arriving.of(file);
    await expect(download(net, api, randomBytes(32), arriving, new Memory())).rejects.toMatchObject(
      {
        code: "attachment.unknown",
      },
    );
  });

  async function expectWhole(ticket: Typed<"ticket">, out: Outgoing): Promise<void> {
    const answer = await fetch(`${net.origin}/v1/attachments/${toBase64(ticket.id)}`);
    const [there, here] = [await answer.bytes(), await ciphertext(out)];
    expect(same(there, here)).toBe(true);
  }

  test.each([0, 1, 15, 16, PIECE - 1, PIECE, PIECE + 17])(
    "Python opens a file of %i",
    async (size) => {
      const data = content(size);
      const [file, spool] = await sealed(data);
      const [part, target] = [
        join(relay.folder, `${size}.part`),
        join(relay.folder, `${size}.out`),
      ];
      writeFileSync(part, await spool.read(0, size + 16));
      const [key, nonce, hash] = [toHex(file.key), toHex(file.nonce), toHex(file.hash)];
      await relay.do("unseal", { part, target, key, nonce, hash, size });
      expect(same(readFileSync(target), data)).toBe(true);
    },
  );

  test.each([0, 1, PIECE, PIECE + 17])("Python's file of %i is opened", async (size) => {
    const [data, path] = [content(size), join(relay.folder, `${size}.txt`)];
    writeFileSync(path, data);
    const spool = join(relay.folder, `${size}.up`);
    const file = unplain<Sealed>(await relay.do("seal", { path, spool }));
    expect(same(await opened(new Uint8Array(readFileSync(spool)), file), data)).toBe(true);
  });
}

/** The beginning of a PATCH whose end never comes. */
function cutOff(net: Net, { id, token }: Typed<"ticket">, body: Bytes): Promise<void> {
  return new Promise((resolve) => {
    const asked = request(`${net.origin}/v1/attachments/${toBase64(id)}`, {
      method: "PATCH",
      headers: {
        authorization: `Bearer ${toBase64(token)}`,
        "upload-offset": "0",
        "content-length": "1048576",
      },
    });
    asked.on("error", () => resolve());
    asked.on("close", () => resolve());
    asked.write(body, () => setTimeout(() => asked.destroy(), 300));
  });
}

/** Faster than comparing through expect, byte by byte. */
function same(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.from(one).equals(other);
}
