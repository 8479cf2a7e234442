/** Runs in a worker of a real browser: `begin` writes until it is ended, `goOn` goes on where that was. */

import { FolderCabinet } from "../../src/vault/cabinet";
import { CHUNK, Files } from "../../src/vault/files";
import { equal } from "../../src/wire/bytes";

const NAME = { id: "00112233445566778899aabbccddeeff", key: new Uint8Array(32).fill(7) };
const SIZE = 40 * CHUNK + 17;
const DATA = new Uint8Array(SIZE).map((_, at) => at % 251);

async function begin(files: Files): Promise<void> {
  const writer = await files.writer(NAME);
  await writer.write(DATA.subarray(0, 20 * CHUNK + 5));
  postMessage("written");
}

async function goOn(files: Files, cabinet: FolderCabinet): Promise<object> {
  let seen = 0;
  let same = true;
  const writer = await files.writer(NAME, async (chunk) => {
    same &&= equal(chunk, DATA.subarray(seen, seen + CHUNK));
    seen += chunk.length;
  });
  await writer.write(DATA.subarray(seen));
  const file = await writer.finish();
  const found = new Uint8Array(await (await files.blob(file, "")).arrayBuffer());
  const part = await files.slice(file, 3 * CHUNK - 5, 5 * CHUNK + 1);
  const whole = equal(found, DATA) && equal(part, DATA.subarray(3 * CHUNK - 5, 5 * CHUNK + 1));
  const at = (await cabinet.list()).length;
  await files.sweep(new Set());
  return {
    seen: seen / CHUNK,
    same,
    size: file.size === SIZE,
    whole,
    at,
    left: await cabinet.list(),
  };
}

addEventListener("message", async ({ data }) => {
  const cabinet = await FolderCabinet.open();
  if (cabinet === null) return postMessage("no folder");
  const files = new Files(cabinet);
  if (data === "begin") await begin(files);
  else postMessage(await goOn(files, cabinet));
});
