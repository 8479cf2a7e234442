/**
 * A line protocol: one JSON object a line on standard input, one on standard output, in the same order.
 *
 *     {"id": 1, "op": "encrypt", ...}
 *     {"id": 1, "ok": ...}      or      {"id": 1, "error": {"code": "...", "message": "..."}}
 */

import { createInterface } from "node:readline";

export type Operation = (args: Record<string, unknown>) => unknown;

export async function serve(
  operations: Record<string, Operation>,
  codeOf: (problem: unknown) => string,
): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, op, ...args } = JSON.parse(line) as Record<string, unknown>;
    let answer: Record<string, unknown>;
    try {
      const operation = operations[String(op)];
      if (operation === undefined) throw new TypeError(`no operation ${String(op)}`);
      answer = { id, ok: (await operation(args)) ?? null };
    } catch (problem) {
      const message = problem instanceof Error ? problem.message : String(problem);
      answer = { id, error: { code: codeOf(problem), message } };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

export const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const unhex = (text: unknown): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(String(text).match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
