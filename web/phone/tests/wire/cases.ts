/// <reference types="node" />

/**
 * The cases that Python makes (tests/web/cases.py), each with Python's verdict: a value or a code. They come
 * from the file that CHAPPE_CASES names, or are made anew with the environment of the checkout.
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { fromHex, toHex } from "../../src/wire/bytes";
import { ChappeError } from "../../src/wire/errors";

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../../../..");
export const PYTHON = join(ROOT, ".venv/bin/python");

/** What became of a case: a value or a code. */
export interface Verdict {
  value?: unknown;
  error?: string;
}

export interface Case extends Verdict {
  data: string;
  text: string;
  key: string;
  kind: string;
  /** Of what can be read: its one spelling; empty for what is only shown as unknown. */
  encoded?: string;
  /** Whether a certificate's signature does. */
  held?: boolean;
}

/** All cases, or null where there is no Python; in CI that is a failure. */
export function loadCases(): Record<string, unknown> | null {
  const given = process.env.CHAPPE_CASES;
  if (given !== undefined) return JSON.parse(readFileSync(given, "utf8"));
  if (!existsSync(PYTHON)) {
    if (process.env.CI === "true")
      throw new Error("these tests must run in CI: no Python environment");
    return null;
  }
  const folder = mkdtempSync(join(tmpdir(), "chappe-cases-"));
  try {
    const file = join(folder, "cases.json");
    execFileSync(PYTHON, ["-m", "tests.web.cases", file], { cwd: ROOT });
    return JSON.parse(readFileSync(file, "utf8"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** As Python's tests.web.plain: bytes are `{"$": hex}`. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $: toHex(value) };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}

/** The other way. The type is the caller's word: what Python made is of that type. */
export function unplain<T>(value: unknown): T {
  return raw(value) as T;
}

function raw(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(raw);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  if (entries.length === 1 && entries[0]?.[0] === "$") return fromHex(entries[0][1]);
  return Object.fromEntries(entries.map(([name, inner]) => [name, raw(inner)]));
}

/** What this end makes of something, in the form of Python's verdict. What is no ChappeError is a fault here. */
export async function verdict(run: () => unknown): Promise<Verdict> {
  try {
    return { value: plain(await run()) };
  } catch (problem) {
    if (problem instanceof ChappeError) return { error: problem.code };
    throw problem;
  }
}

/** Every case is judged as Python judges it; some of those that differ are shown. */
export async function agreeOn<T extends Verdict>(
  found: T[],
  run: (one: T) => unknown,
): Promise<void> {
  expect(found.length).toBeGreaterThan(3);
  const differing = [];
  for (const { value, error, ...given } of found) {
    const ours = await verdict(() => run({ value, error, ...given } as T));
    const theirs = error === undefined ? { value } : { error };
    if (!same(ours, theirs)) differing.push({ given: JSON.stringify(given), ours, theirs });
  }
  expect(differing.slice(0, 3)).toEqual([]);
}

function same(ours: Verdict, theirs: Verdict): boolean {
  // Python does not look into the fields of a frame whose type it does not know; here they are malformed.
  const passed = ours.error === "frame.malformed" && theirs.error === "frame.unknown_type";
  return passed || JSON.stringify(sorted(ours)) === JSON.stringify(sorted(theirs));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([name, inner]) => [name, sorted(inner)]));
}
