/// <reference types="node" />

/**
 * The log's rules against Python's verdicts (tests/web/log_cases.py), which CHAPPE_LOG_CASES names; and how long a
 * log takes from nothing (bench/tlog.py, CHAPPE_LOG_BENCH), which goes to the file CHAPPE_LOG_MEASURED.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Broken, LogState } from "../../src/client/logState";
import { Frontier, leafHash } from "../../src/tlog/merkle";
import { fromHex, toHex } from "../../src/wire/bytes";

interface Case {
  name: string;
  entries: string[];
  broken?: [number, string];
  size?: number;
}

const { CHAPPE_LOG_CASES = "", CHAPPE_LOG_BENCH = "", CHAPPE_LOG_MEASURED = "" } = process.env;
const cases: Case[] =
  CHAPPE_LOG_CASES === "" ? [] : JSON.parse(readFileSync(CHAPPE_LOG_CASES, "utf8"));

async function judged(entries: Uint8Array[]): Promise<object> {
  try {
    return shown(await new LogState().replay(entries));
  } catch (problem) {
    if (!(problem instanceof Broken)) throw problem;
    return { broken: [problem.index, problem.why] };
  }
}

const shown = (state: LogState): object => ({
  size: state.size,
  at: state.at,
  devices: Object.fromEntries(
    [...state.devices].map(([key, one]) => [
      key,
      [one.line, one.certificate, one.by, one.order, one.revokedAt],
    ]),
  ),
  releases: Object.fromEntries(state.releases),
  lines: Object.fromEntries([...state.lines].map(([key, one]) => [key, toHex(one.identityKey)])),
  announced: state.announced.map((one) => [one.device, one.at]),
});

describe.skipIf(cases.length === 0)("a log is judged as Python judges it", () => {
  test.each(cases)("$name", async ({ name: _, entries, ...verdict }) => {
    expect(await judged(entries.map(fromHex))).toEqual(verdict);
  });

  test("a kept state goes on where it was", async () => {
    const [{ entries, ...verdict }] = cases as [Case];
    const data = entries.map(fromHex);
    for (const cut of [1, 6, 13]) {
      const before = await new LogState().replay(data.slice(0, cut));
      const kept = LogState.fromKept(structuredClone(before.toKept()));
      const after = await kept.replay(data.slice(cut));
      expect(shown(after)).toMatchObject({ size: verdict.size });
      expect(before.size, "one that was given out does not change").toBe(cut);
    }
  });
});

describe.skipIf(CHAPPE_LOG_BENCH === "")("a long log", () => {
  test("is read from nothing", { timeout: 120_000 }, async () => {
    const entries = (JSON.parse(readFileSync(CHAPPE_LOG_BENCH, "utf8")) as string[]).map(fromHex);
    const began = performance.now();
    const cpu = process.cpuUsage();
    const state = await new LogState().replay(entries);
    new Frontier().extend(entries.map(leafHash)).root();
    const seconds = (performance.now() - began) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    expect(state.size).toBe(entries.length);
    const found = { entries: state.size, replay: seconds, replay_cpu: (user + system) / 1e6 };
    writeFileSync(CHAPPE_LOG_MEASURED, JSON.stringify(found));
  });
});
