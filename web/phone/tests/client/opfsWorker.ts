/** Runs in a worker of a real browser; posts what came of it. */

import { hashHolds, seal, unseal } from "../../src/client/files";
import { OpfsSpool } from "../../src/client/opfs";
import { BlobSpool } from "../../src/client/spool";
import { equal } from "../../src/wire/bytes";

async function run(): Promise<object> {
  const data = new Uint8Array(700_001).map((_, at) => at % 251);
  const spool = await OpfsSpool.open("one.up");
  const file = await seal(new Blob([data]), "one", spool);
  const held = await OpfsSpool.open("one.up").then(
    () => "open",
    (problem: { code: string }) => problem.code,
  );
  spool.close();
  const again = await OpfsSpool.open("one.up");
  const size = await again.size();
  const whole = await hashHolds(again, file.hash);
  const sink = new BlobSpool();
  await unseal(again, file, sink);
  const same = equal(new Uint8Array(await sink.blob().arrayBuffer()), data);
  const names = await OpfsSpool.names();
  await again.clear();
  const cleared = await again.size();
  again.close();
  await OpfsSpool.remove("one.up");
  await OpfsSpool.remove("one.up");
  return { held, size, whole, same, names, cleared, left: await OpfsSpool.names() };
}

run().then(
  (found) => postMessage(found),
  (problem) => postMessage({ problem: String(problem) }),
);
