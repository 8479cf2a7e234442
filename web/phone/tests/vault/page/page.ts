/** The vault in a page, for a test to drive: `await vault.create()`. Bytes are hex. */

import { openDB } from "idb";
import { erase, resume, tombstone } from "../../../src/vault/erase";
import type { FileAtRest } from "../../../src/vault/files";
import { Keeping, newKey } from "../../../src/vault/keeping";
import { stretch } from "../../../src/vault/keys";
import { Search } from "../../../src/vault/search";
import { Store, table } from "../../../src/vault/store";
import { POLICY } from "../../../src/vault/vault";
import { fromHex, toHex, utf8 } from "../../../src/wire/bytes";
import { asChappeError } from "../../../src/wire/errors";

interface Message {
  id: string;
  text: string;
  at: number;
}

const messages = table<Message>("messages");
const files = table<FileAtRest>("files");
const WORDS =
  "tower letter signal night river bridge horse clock harbour lantern winter copper".split(" ");
const PLACE = { host: "relay.example", port: 8440, pin: null };
let store: Store | null = null;

/** Six of the words, and in every tenth message one that no other has. */
function textOf(i: number): string {
  const words = Array.from({ length: 6 }, (_, k) => WORDS[(i * (k + 3) + k) % WORDS.length]);
  return [...words, ...(i % 10 === 0 ? [`n${i}`] : [])].join(" ");
}

function here(): Store {
  if (!store) throw new Error("no store");
  return store;
}

function inWorker<T>(asked: object): Promise<T> {
  const worker = new Worker(new URL("./filesWorker.ts", import.meta.url), { type: "module" });
  return new Promise<T>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage(asked);
  }).finally(() => worker.terminate());
}

async function withKeeping<T>(work: (keeping: Keeping) => Promise<T>): Promise<T> {
  const keeping = await Keeping.open();
  try {
    return await work(keeping);
  } finally {
    keeping.close();
  }
}

async function timed<T>(work: () => Promise<T>): Promise<[number, T]> {
  const start = performance.now();
  const made = await work();
  return [Math.round((performance.now() - start) * 10) / 10, made];
}

/** Everything that a script of this origin finds, in hex and text, one value a line. */
async function dump(): Promise<string> {
  const parts: string[] = [];
  const walk = (value: unknown): void => {
    if (value instanceof ArrayBuffer) parts.push(toHex(new Uint8Array(value)));
    else if (ArrayBuffer.isView(value))
      parts.push(toHex(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)));
    else if (Array.isArray(value)) value.forEach(walk);
    else if (value instanceof CryptoKey) parts.push(`key extractable=${value.extractable}`);
    else if (typeof value === "object" && value !== null) Object.entries(value).forEach(walk);
    else parts.push(String(value), toHex(utf8(String(value))));
  };
  for (const { name = "" } of await indexedDB.databases()) {
    parts.push(name);
    const database = await openDB(name);
    for (const one of database.objectStoreNames) {
      walk(await database.getAllKeys(one));
      walk(await database.getAll(one));
    }
    database.close();
  }
  const folder = async (directory: FileSystemDirectoryHandle): Promise<void> => {
    for await (const [name, handle] of directory.entries()) {
      parts.push(name);
      if (handle.kind === "directory") await folder(handle as FileSystemDirectoryHandle);
      else walk(await (await (handle as FileSystemFileHandle).getFile()).arrayBuffer());
    }
  };
  await folder(await navigator.storage.getDirectory());
  walk({ ...localStorage });
  return parts.join("\n");
}

const vault = {
  async create() {
    const key = newKey();
    await withKeeping((keeping) => keeping.keepPlain(key));
    store = await Store.create(key, { guarded: ["ratchets"] });
    return toHex(key);
  },
  /** With the key that the keystore gives. */
  async open() {
    const key = await withKeeping((keeping) => keeping.plainKey());
    store = await Store.open(key, { guarded: ["ratchets"] });
    return toHex(key);
  },
  close: () => here().close(),
  async openWith(key: string) {
    store = await Store.open(fromHex(key), { guarded: ["ratchets"] });
  },
  /** A PIN, as if the service had taken it; gives the entry's public key. */
  async setPin(pin: string, key: string, service: string) {
    return withKeeping(async (keeping) => {
      const what = { key: fromHex(key), device: new Uint8Array(16), place: PLACE, policy: POLICY };
      const made = await keeping.prepare(pin, { ...what, service: fromHex(service) });
      await keeping.settle(made.entry);
      return toHex(made.unlockKey);
    });
  },
  async sign(data: string) {
    return withKeeping(async (keeping) =>
      toHex(await (await keeping.current()).entry.sign(fromHex(data))),
    );
  },
  async stretch(pin: string, r: string) {
    const [time, a] = await timed(() => stretch(pin, fromHex(r)));
    return { time, a: toHex(a) };
  },

  put: (text: string, number: number) =>
    here().write((change) =>
      change.put(messages, "conversation", { id: `m${number}`, text, at: number }, number),
    ),
  async texts(limit: number) {
    const rows = await here().range(messages, "conversation", { newest: true, limit });
    return rows.map(({ value }) => value.text);
  },
  /** Many at once, in one change, and with the index or without. */
  async fill(from: number, count: number, index: boolean) {
    const search = new Search(here());
    await here().write(async (change) => {
      for (let i = from; i < from + count; i++) {
        const message = { id: `m${i}`, text: textOf(i), at: i };
        change.put(messages, "conversation", message, i);
        if (index) await search.put(change, message.id, message.text);
      }
    });
  },
  async count() {
    return (await here().range(messages, "conversation", { to: 800_000 })).length;
  },
  find: (words: string) => new Search(here()).find(words, 50),
  /** Milliseconds: open, the newest 50, all, and searches. */
  async figures(key: string) {
    here().close();
    const [open] = await timed(() => vault.openWith(key));
    const [newest] = await timed(() => vault.texts(50));
    const [all, rows] = await timed(() => here().range(messages, "conversation"));
    const [one] = await timed(() => vault.put("one more", 1_000_000));
    const [indexed] = await timed(() => vault.fill(20_000, 1, true));
    const [word, found] = await timed(() => vault.find("tower lantern n70"));
    const [letter] = await timed(() => vault.find("n"));
    const of = { count: rows.length, found: found.length };
    return { open, newest, all, one, indexed, word, letter, ...of };
  },

  async keepFile(text: string, times: number) {
    const { file, folder } = await inWorker<{ file: FileAtRest; folder: boolean }>({ text, times });
    await here().write((change) => change.put(files, "file", file));
    return { folder, size: file.size };
  },
  async readFile() {
    const file = await here().get(files, "file");
    if (!file) throw new Error("no file");
    return inWorker<string>({ file });
  },

  async erase() {
    store?.close();
    const entry = await withKeeping(async (keeping) => (await keeping.current()).entry);
    const order = { order: new Uint8Array(16), device: new Uint8Array(16), at: 1, reason: "lost" };
    return (await erase({ ...order, ...PLACE }, entry)).state;
  },
  resume: async () => (await resume())?.state ?? null,
  tombstone: async () => (await tombstone())?.state ?? null,
  async left() {
    const root = await navigator.storage.getDirectory();
    const names: string[] = [];
    for await (const name of root.keys()) names.push(name);
    const databases = (await indexedDB.databases()).map(({ name }) => name);
    return { databases, folders: names, caches: await caches.keys() };
  },
  dump,
};

type Call = (...args: unknown[]) => unknown;

/** Calls one of them; a problem comes back as its code. */
async function call(name: keyof typeof vault, ...args: unknown[]): Promise<unknown> {
  try {
    return { ok: (await (vault[name] as Call)(...args)) ?? null };
  } catch (problem) {
    return { code: asChappeError(problem).code, text: String(problem) };
  }
}

Object.assign(window, { vault, call });
