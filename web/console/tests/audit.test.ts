/** An officer's audit log: replayed in the page, and refused where a relay would tell another story. */
import { encode as pack } from "@msgpack/msgpack";
import { expect, test } from "vitest";
import { treeHead } from "../../phone/src/tlog/merkle.ts";
import { fromBase64, toBase64 } from "../../phone/src/wire/api.ts";
import { type Bytes, equal } from "../../phone/src/wire/bytes.ts";
import {
  exported,
  fetchLog,
  type Head,
  type Page,
  readHead,
  replayed,
} from "../src/officer/audit.ts";

const entry = (reason: string): Bytes =>
  new Uint8Array(
    pack({
      version: 1,
      at: 1_800_000_000,
      what: "order.given",
      officers: [new Uint8Array(16)],
      order: new Uint8Array(16).fill(7),
      kind: "erase",
      digest: new Uint8Array(32),
      reason,
      line: null,
      device: null,
      outcome: null,
      number: null,
    }),
  );
const RAW = ["left in a taxi", "a court asked", "stolen", "found again", "sold"].map(entry);
const headOf = (raw: Bytes[]): Head => ({
  size: raw.length,
  root: new Uint8Array(treeHead(raw)),
});

/** A relay that gives two entries a page. */
function relay(raw: Bytes[]) {
  return async (start: number): Promise<Page> => {
    const { size, root } = headOf(raw);
    return { start, entries: raw.slice(start, start + 2), size, root };
  };
}

test("a log is fetched page by page, and holds by way of what was seen", async () => {
  const log = await fetchLog(relay(RAW), [headOf(RAW.slice(0, 2)), headOf([]), headOf(RAW)]);
  expect(log.entries.map((one) => one.reason)).toEqual([
    "left in a taxi",
    "a court asked",
    "stolen",
    "found again",
    "sold",
  ]);
  expect(log.head.size).toBe(5);
  expect((await fetchLog(relay([]), [])).head.size).toBe(0);
});

test("history that was rewritten is no log, however whole it looks", async () => {
  const other = RAW.map((one, at) => (at === 1 ? entry("nothing happened") : one));
  await expect(fetchLog(relay(other), [headOf(RAW.slice(0, 3))])).rejects.toMatchObject({
    code: "audit.rewritten",
  });
  const cut = fetchLog(relay(RAW.slice(0, 3)), [headOf(RAW)]);
  await expect(cut).rejects.toMatchObject({ code: "audit.rewritten" });
  const changed = [...RAW.slice(0, 4), entry("changed")];
  expect(() => replayed(changed, headOf(RAW), [])).toThrowError(
    expect.objectContaining({ code: "audit.rewritten" }),
  );
  // A root that fits what is no entry of an audit log.
  const odd = [...RAW, new Uint8Array(pack({ version: 2 }))];
  expect(() => replayed(odd, headOf(odd), [])).toThrowError(
    expect.objectContaining({ code: "audit.rewritten" }),
  );
});

test("a relay that leaves entries out, or stops, is not believed", async () => {
  const skipping = async (start: number) => ({ ...(await relay(RAW)(start)), start: start + 1 });
  await expect(fetchLog(skipping, [])).rejects.toMatchObject({ code: "http.malformed" });
  const silent = async (start: number) => ({ ...(await relay(RAW)(start)), entries: [] });
  await expect(fetchLog(silent, [])).rejects.toMatchObject({ code: "audit.rewritten" });
});

test("what is exported ends in its head, and a head that was written down is read again", () => {
  const log = replayed(RAW, headOf(RAW), []);
  const lines = exported(log, (one) => ({ what: one.what }))
    .trimEnd()
    .split("\n");
  expect(lines).toHaveLength(6);
  const first = JSON.parse(lines[0] ?? "");
  expect(first).toMatchObject({ number: 0, what: "order.given" });
  expect(equal(fromBase64(first.data), RAW[0] as Bytes)).toBe(true);
  expect(lines[5]?.startsWith('{"head"')).toBe(true);
  const { head } = JSON.parse(lines[5] ?? "");
  expect(readHead(String(head.size), head.root)).toEqual(log.head);
  expect(toBase64(log.head.root)).toBe(head.root);
  for (const [size, root] of [
    ["", head.root],
    ["five", head.root],
    ["5", "AAAA"],
    ["5", `${head.root}=`],
  ])
    expect(() => readHead(size, root)).toThrowError(
      expect.objectContaining({ code: "http.malformed" }),
    );
});
