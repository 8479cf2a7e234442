import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Connection } from "../../src/client/connection";
import {
  attachmentId,
  attachmentOf,
  PIECE,
  type Sealed,
  seal,
  unseal,
} from "../../src/client/files";
import { HttpApi } from "../../src/client/http";
import { BlobSpool } from "../../src/client/spool";
import { download, ticketFor, upload } from "../../src/client/transfers";
import type { Net } from "../../src/client/transport";
import { toBase64 } from "../../src/wire/api";
import { type Bytes, randomBytes, toHex } from "../../src/wire/bytes";
import type { Typed } from "../../src/wire/frames";
import { unplain } from "../wire/cases";
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

async function sealed(data: Bytes): Promise<[Sealed, BlobSpool]> {
  const spool = new BlobSpool();
  return [await seal(new Blob([data], { type: "text/plain" }), "a/b.txt", spool), spool];
}

async function opened(spool: BlobSpool, file: Sealed): Promise<Bytes> {
  const sink = new BlobSpool();
  await unseal(spool, file, sink);
  return new Uint8Array(await sink.blob().arrayBuffer());
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

  async function ticketOf(spool: BlobSpool): Promise<Typed<"ticket">> {
    return ticketFor(net, connection, await spool.size());
  }

  test("a file goes up and comes down, with its progress", async () => {
    const data = content(2 * MIB + 5);
    const [file, spool] = await sealed(data);
    const ticket = await ticketOf(spool);
    const [up, down]: [number[], number[]] = [[], []];
    await upload(net, api, ticket, spool, { progress: (done) => up.push(done) });
    expect(up).toEqual([0, MIB, 2 * MIB, data.length + 16]);
    const part = new BlobSpool();
    const attachment = attachmentOf(file, "localhost", ticket.id);
    const id = attachmentId(attachment.url, "localhost");
    await download(net, api, id, attachment, part, { progress: (done) => down.push(done) });
    expect(down.at(-1)).toBe(data.length);
    expect(same(await opened(part, file), data)).toBe(true);
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
    expect(up.at(-1)).toBe(await spool.size());
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
    const [file, spool] = await sealed(content(3 * MIB));
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
    const [part, again] = [new BlobSpool(), new AbortController()];
    const coming = download(net, api, ticket.id, file, part, {
      signal: again.signal,
      progress: (done) => done > 100_000 && again.abort(new Error("stopped")),
    });
    await expect(coming).rejects.toThrow("stopped");
    const here = await part.size();
    expect(here).toBeGreaterThan(100_000);
    const down: number[] = [];
    await download(net, api, ticket.id, file, part, { progress: (done) => down.push(done) });
    expect(down[0]).toBeGreaterThan(here);
    expect(toHex(file.hash)).toBe(await hashOf(part));
  });

  test("what is not what its sender sent is thrown away", async () => {
    const [file, spool] = await sealed(content(1000));
    const ticket = await ticketOf(spool);
    const wrong = new BlobSpool();
    const bytes = await spool.read(0, 2000);
    bytes[500] = (bytes[500] ?? 0) ^ 1;
    await wrong.append(bytes);
    await upload(net, api, ticket, wrong);
    const part = new BlobSpool();
    await expect(download(net, api, ticket.id, file, part)).rejects.toMatchObject({
      code: "attachment.corrupt",
    });
    expect(await part.size()).toBe(0);
    const shorter = { ...file, size: 900 };
    await expect(download(net, api, ticket.id, shorter, part)).rejects.toMatchObject({
      code: "attachment.corrupt",
    });
    const strange = { id: ticket.id, token: randomBytes(32) };
    const more = await ticketOf(spool);
    await expect(upload(net, api, { ...strange, id: more.id }, spool)).rejects.toMatchObject({
      code: "attachment.bad_token",
    });
    await expect(download(net, api, randomBytes(32), file, part)).rejects.toMatchObject({
      code: "attachment.unknown",
    });
  });

  async function expectWhole(ticket: Typed<"ticket">, spool: BlobSpool): Promise<void> {
    const answer = await fetch(`${net.origin}/v1/attachments/${toBase64(ticket.id)}`);
    const [there, here] = [await answer.bytes(), await spool.read(0, await spool.size())];
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
    const part = new BlobSpool();
    await part.append(new Uint8Array(readFileSync(spool)));
    expect(same(await opened(part, file), data)).toBe(true);
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

async function hashOf(spool: BlobSpool): Promise<string> {
  const data = await spool.read(0, await spool.size());
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
}
