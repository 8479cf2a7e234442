/**
 * Every error that Chappe tells a person or a peer, with a code that never changes (docs/protocol.md section
 * 10). The table is that of src/chappe/wire/errors.py: `python -m tests.web.table` writes errors.json anew.
 *
 * A code is what frames and HTTP bodies carry, what tests compare, and what the pages have words for in each
 * language. The message is plain English and never holds a secret.
 */

import table from "./errors.json";

export type Code = keyof typeof table;
/** Whose doing it is. `network`: trying again is right. `crypto`: never retried by itself. */
export type Fault = "input" | "refusal" | "network" | "crypto" | "storage";

/**
 * What a page words by itself, in its language: numbers, and one word of a list that the place which throws
 * names. `wait` in seconds.
 */
export interface Detail {
  reason?: string;
  tries?: number;
  wait?: number;
  least?: number;
}

export class ChappeError extends Error {
  readonly code: Code;

  constructor(
    code: Code,
    message?: string,
    readonly detail: Detail = {},
  ) {
    super(message ?? table[code].message);
    this.name = "ChappeError";
    this.code = code;
  }

  get fault(): Fault {
    return table[this.code].fault as Fault;
  }

  /** What crosses from the worker to the pages, where a class would be lost. */
  toJSON(): { code: Code; message: string; detail: Detail } {
    return { code: this.code, message: this.message, detail: this.detail };
  }
}

export const CODES = Object.keys(table) as Code[];

export function isCode(text: unknown): text is Code {
  return typeof text === "string" && Object.hasOwn(table, text);
}

export function error(code: Code, message?: string, detail?: Detail): ChappeError {
  return new ChappeError(code, message, detail);
}

/** The error a peer named, in our words; an unknown code (a newer peer) becomes `frame.unknown_type`. */
export function fromPeer(code: string): ChappeError {
  if (isCode(code)) return error(code);
  const shown = code.slice(0, 64).replace(/[^\x20-\x7e]/g, "?");
  return error("frame.unknown_type", `The other end answered '${shown}', unknown here.`);
}

/** Whatever was thrown, as one of ours: what is none is `internal.bug`, and its text is not passed on. */
export function asChappeError(problem: unknown): ChappeError {
  if (problem instanceof ChappeError) return problem;
  if (
    typeof problem === "object" &&
    problem !== null &&
    "code" in problem &&
    isCode(problem.code)
  ) {
    const message =
      "message" in problem && typeof problem.message === "string" ? problem.message : undefined;
    return error(problem.code, message);
  }
  return error("internal.bug");
}
