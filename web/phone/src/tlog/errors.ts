/** What the log refuses, and why: the codes of src/chappe/tlog/errors.py. A log is public; no text is secret. */

export type TlogCode =
  /** Bytes or text that do not have the form of the specification. */
  | "tlog.malformed"
  /** An index, size or entry that the tree does not have. */
  | "tlog.out_of_range"
  /** A proof, tile or entry that does not lead to the root it is held against. */
  | "tlog.wrong_proof"
  /** Stored rows that are not the log they say they are. */
  | "tlog.broken_chain"
  /** A signature by a key that we know, and it does not hold. */
  | "tlog.wrong_signature"
  /** No signature by a key that is needed, or too few witnesses. */
  | "tlog.unsigned"
  /** A checkpoint of another log. */
  | "tlog.wrong_log"
  /** A checkpoint older than the one already held. */
  | "tlog.rollback"
  /** Two signed checkpoints that cannot be of one log. */
  | "tlog.fork"
  /** A tile or entry bundle that is needed was not given. */
  | "tlog.missing_tile";

export class TlogError extends Error {
  readonly code: TlogCode;

  constructor(code: TlogCode, message: string) {
    super(message);
    this.name = "TlogError";
    this.code = code;
  }
}

export function malformed(message: string): TlogError {
  return new TlogError("tlog.malformed", message);
}

export function outOfRange(message: string): TlogError {
  return new TlogError("tlog.out_of_range", message);
}

export function wrongProof(message: string): TlogError {
  return new TlogError("tlog.wrong_proof", message);
}
