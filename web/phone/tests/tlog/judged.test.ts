/// <reference types="node" />

/**
 * The log's verifier against Python's verdicts (tests/web/tlog_cases.py), which CHAPPE_TLOG_CASES names;
 * tests/web/test_tlog.py makes them from the published vectors and runs this.
 */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { BrokenChain, replay } from "../../src/tlog/chain";
import { TlogError } from "../../src/tlog/errors";
import { VerifierKey } from "../../src/tlog/keys";
import { Frontier, leafHash } from "../../src/tlog/merkle";
import { parseNote, verifyNote } from "../../src/tlog/notes";
import { Policy } from "../../src/tlog/policy";
import { verifyConsistency, verifyInclusion, verifySubtree } from "../../src/tlog/proofs";
import { toHex, utf8 } from "../../src/tlog/text";
import { fromMap, TileReader } from "../../src/tlog/tileReader";
import { bundleEntries, parseTilePath, tilePath } from "../../src/tlog/tiles";
import { View } from "../../src/tlog/view";
import { fromHex } from "../../src/wire/bytes";

interface Verdict {
  value?: unknown;
  error?: string;
  index?: string;
}

interface Case extends Verdict {
  kind: string;
  data: string;
  text: string;
  policy: string;
  keys: string[];
  rows: [string, string, string][];
  size: string;
  root: string;
  index: string;
  tiles: Record<string, string>;
}

interface ProofCase extends Verdict {
  kind: string;
  desc: string;
  proof: string[] | null;
  [field: string]: unknown;
}

interface ViewCase {
  held: string;
  note: string;
  proof: string[];
  tiles: Record<string, string>;
  own: Record<string, string>;
  advance: Verdict;
  bare: Verdict;
  advanceWith: Verdict;
  compare: Verdict;
}

const file = process.env.CHAPPE_TLOG_CASES;
const all = file === undefined ? null : JSON.parse(readFileSync(file, "utf8"));

async function judged(run: () => unknown): Promise<Verdict> {
  try {
    const value = await run();
    return value === undefined || value === null ? { value: null } : { value };
  } catch (problem) {
    if (problem instanceof BrokenChain) return { error: problem.code, index: `${problem.index}` };
    if (problem instanceof TlogError) return { error: problem.code };
    throw problem;
  }
}

/** A broken note may be wrong in two ways at once, and each end names the one that it meets first. */
async function agree(name: string, run: (one: Case) => unknown): Promise<void> {
  const found = all[name] as Case[];
  expect(found.length).toBeGreaterThan(5);
  const differing = [];
  for (const one of found) {
    const ours = await judged(() => run(one));
    const theirs = one.error === undefined ? { value: one.value } : broken(one);
    if (JSON.stringify(ours) !== JSON.stringify(theirs)) differing.push({ ours, theirs, one });
  }
  expect(JSON.stringify(differing.slice(0, 3)).slice(0, 2000)).toBe("[]");
}

function broken(one: Case): Verdict {
  return one.rows === undefined
    ? { error: one.error as string }
    : { error: one.error as string, index: one.index };
}

function files(tiles: Record<string, string>): Map<string, Uint8Array> {
  return new Map(Object.entries(tiles).map(([path, data]) => [path, fromHex(data)]));
}

/** Base64 as the vectors have it, some of it of odd lengths. */
function loose(text: unknown): Uint8Array {
  return new Uint8Array(Buffer.from((text as string | null) ?? "", "base64"));
}

function checkProof(one: ProofCase): null {
  const number = (field: string) => BigInt(one[field] as string);
  const proof = (one.proof ?? []).map(loose);
  const [head, root] = [loose(one.root1), loose(one.root2)];
  if (one.kind === "consistency")
    verifyConsistency({
      oldSize: number("size1"),
      newSize: number("size2"),
      oldRoot: head,
      newRoot: root,
      proof,
    });
  else if (one.kind === "subtreeconsistency")
    verifySubtree({
      start: number("start"),
      end: number("end"),
      size: number("size"),
      head,
      root,
      proof,
    });
  else
    verifyInclusion({
      index: number("leafIdx"),
      size: number(one.end === undefined ? "treeSize" : "end"),
      start: BigInt((one.start as string | undefined) ?? "0"),
      leaf: loose(one.leafHash),
      root: loose(one.root),
      proof,
    });
  return null;
}

describe.skipIf(all === null)("judged as Python judges", { timeout: 60_000 }, () => {
  test("proofs", () => agree("proofs", (one) => checkProof(one as unknown as ProofCase)));

  test("notes", () =>
    agree("notes", (one) => {
      const signed = verifyNote(parseNote(fromHex(one.data)), one.keys.map(VerifierKey.parse));
      return [...signed.keys()].map((key) => key.name).sort();
    }));

  test("checks", () =>
    agree("checks", (one) => {
      const { checkpoint, signedAt } = Policy.parse(fromHex(one.policy)).check(fromHex(one.data));
      return [`${checkpoint.size}`, toHex(checkpoint.root), `${signedAt}`];
    }));

  test("policies", () =>
    agree("policies", (one) => {
      const { quorum } = Policy.parse(fromHex(one.data));
      const x1 = quorum?.witnesses().filter((key) => key.name === "x1.example") ?? [];
      return quorum === null || quorum.met(new Set(x1));
    }));

  test("vkeys", () => agree("vkeys", (one) => toHex(VerifierKey.parse(one.text).id)));

  test("a verdict that differs from Python's is noticed", async () => {
    const wrong = agree("vkeys", (one) => toHex(VerifierKey.parse(one.text).id.reverse()));
    await expect(wrong).rejects.toThrow();
    await expect(agree("vkeys", () => "taken")).rejects.toThrow();
  });

  test("paths", () =>
    agree("paths", (one) => {
      const tile = parseTilePath(one.text);
      expect(tilePath(tile)).toBe(one.text);
      return [`${tile.level ?? "None"}`, `${tile.index}`, `${tile.width}`];
    }));

  test("bundles", () =>
    agree("bundles", (one) =>
      bundleEntries({ level: null, index: 0n, width: 3 }, fromHex(one.data)).map(toHex),
    ));

  test("frontiers", () =>
    agree("frontiers", (one) => {
      const frontier = Frontier.fromBytes(fromHex(one.data));
      expect(toHex(frontier.toBytes())).toBe(one.data);
      return [toHex(frontier.root()), toHex(frontier.append(leafHash(utf8("x"))).root())];
    }));

  test("readers", () =>
    agree("readers", async (one) => {
      const tiles = fromMap(files(one.tiles));
      const reader = await TileReader.open(BigInt(one.size), fromHex(one.root), tiles);
      return toHex(await reader.entry(BigInt(one.index)));
    }));

  test("replays", () =>
    agree("replays", (one) => {
      const rows = one.rows.map(([index, entry, root]) => ({
        index: BigInt(index),
        entry: fromHex(entry),
        root: fromHex(root),
      }));
      return toHex(replay(rows).root());
    }));

  test("views", async () => {
    const policy = Policy.parse(fromHex(all.policy));
    const found = all.views as ViewCase[];
    expect(found.length).toBeGreaterThan(20);
    const shown = (view: View) => [
      `${view.size}`,
      toHex(view.root),
      `${view.held?.signedAt ?? "none"}`,
    ];
    for (const one of found) {
      const view = View.restore(all.origin, policy, fromHex(one.held));
      const note = fromHex(one.note);
      const [tiles, own] = [fromMap(files(one.tiles)), fromMap(files(one.own))];
      const proof = one.proof.map(fromHex);
      expect(await judged(() => shown(view.advance(note, proof)))).toEqual(one.advance);
      expect(await judged(() => shown(view.advance(note)))).toEqual(one.bare);
      const withTiles = await judged(async () => shown(await view.advanceWith(note, tiles)));
      expect(withTiles).toEqual(one.advanceWith);
      const compared = await judged(async () => {
        await view.compare(note, own);
        return "agree";
      });
      expect(compared).toEqual(one.compare);
    }
  });
});
