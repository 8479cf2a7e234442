/** What is under way with a file when the phone is locked ends by that: nothing of it is open, or left, after it. */
import "fake-indexeddb/auto";
import { beforeEach, expect, test } from "vitest";
import { Attachments } from "../../src/client/attachments";
import { blank } from "../../src/client/blank";
import { Contacts } from "../../src/client/contacts";
import { Core } from "../../src/client/core";
import { PIECE } from "../../src/client/files";
import { Groups } from "../../src/client/groups";
import type { HttpApi } from "../../src/client/http";
import { newLine } from "../../src/client/identity";
import { Messages } from "../../src/client/messages";
import { type MessageRow, tables } from "../../src/client/rows";
import { Rules } from "../../src/client/rules";
import { type Cabinet, DatabaseCabinet } from "../../src/vault/cabinet";
import { Files } from "../../src/vault/files";
import { Store } from "../../src/vault/store";

type Ways = ConstructorParameters<typeof Attachments>[4];

const SIZE = 200 * PIECE;
const NONE = new Uint8Array(0);

let core: Core;
let cabinet: Cabinet;
let files: Files;
let attachments: Attachments;
/** Files that somebody writes. */
let open: number;

beforeEach(async () => {
  await Store.destroy();
  const store = await Store.create(new Uint8Array(32).fill(7));
  const place = { host: "relay.example", port: 443, pin: null };
  core = await Core.open(newLine("ada@relay.example", place, new Uint8Array(), 1), store);
  cabinet = await DatabaseCabinet.open(crypto.randomUUID());
  open = 0;
  const { open: begin } = cabinet;
  cabinet.open = async (id, at) => {
    const writer = await begin.call(cabinet, id, at);
    open++;
    const end = (how: () => Promise<void>) => () => how().finally(() => open--);
    return { ...writer, close: end(writer.close), abort: end(writer.abort) };
  };
  files = new Files(cabinet);
  const groups = new Groups(core, new Contacts(core));
  const messages = new Messages(core, groups, new Rules(() => null));
  attachments = new Attachments(core, messages, files, {} as HttpApi, { groups } as Ways);
});

test("a file that is read to be sent", async () => {
  const sending = attachments.send("c1", new Blob([new Uint8Array(SIZE)]), "big.bin", null);
  const outcome = sending.catch((problem) => problem);
  while (open === 0) await new Promise((go) => setTimeout(go));
  await attachments.stop();
  expect(open).toBe(0);
  expect(await outcome).toMatchObject({ code: "vault.locked" });
  expect(await cabinet.list()).toEqual([]);
});

test("a file that is read to be shown, or to be saved", async () => {
  const writer = await files.writer(files.newName());
  await writer.write(new Uint8Array(8 * PIECE));
  const kept = await writer.finish();
  const { read } = cabinet;
  cabinet.read = async (...where) => {
    // Locked after the first piece of it.
    const found = await read.apply(cabinet, where);
    await attachments.stop();
    return found;
  };
  await core.change((tx) => {
    const file = {
      url: "",
      key: NONE,
      nonce: NONE,
      hash: NONE,
      size: kept.size,
      contentType: "",
      name: "x",
    };
    const row = {
      ...blank,
      id: "m1",
      conversation: "c1",
      seq: 1,
      file: { ...file, description: "" },
    };
    tx.change.put(tables.where, "m1", { conversation: "c1", seq: 1, reaction: false });
    tx.change.put(tables.messages, "c1", row as unknown as MessageRow, 1);
    core.book.files.put(tx.change, { message: "m1", file: kept });
  });
  await expect(attachments.open("m1")).rejects.toMatchObject({ code: "vault.locked" });
  const stream = await attachments.read("m1");
  await expect(stream?.getReader().read()).rejects.toMatchObject({ code: "vault.locked" });
});
