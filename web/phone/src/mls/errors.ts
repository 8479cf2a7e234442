/** What can be wrong with a message, a key package or a stored state. The texts hold no secret. */

export type MlsFaultKind =
  /** Not the bytes of what it should be. */
  | "malformed"
  /** A signature, tag, key or rule of RFC 9420 does not hold; or the engine failed over hostile bytes. */
  | "invalid"
  /** Of an epoch that has not been reached. */
  | "ahead"
  /** Of an epoch whose keys are gone. */
  | "behind"
  /** Its key was used before: it is here already. */
  | "consumed"
  /** This member is out. */
  | "not_member"
  /** The epoch's proposals have to be committed before anything else is sent. */
  | "pending";

export class MlsFault extends Error {
  override readonly name = "MlsFault";
  constructor(
    readonly kind: MlsFaultKind,
    message: string,
  ) {
    super(message);
  }
}

export const malformed = (what: string): MlsFault => new MlsFault("malformed", what);
export const invalid = (what: string): MlsFault => new MlsFault("invalid", what);
