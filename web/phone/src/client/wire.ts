/** What the parts of a phone need of its connection. */

import type { FromDevice, FromRelay, Typed } from "../wire/frames";

export interface Wire {
  /** What the relay's clock said at the last sign-in: Unix seconds. */
  readonly relayTime: number;
  /** Say a request whose answer is waited for. Raises what the relay refused with, or network.*. */
  ask<K extends FromRelay["t"]>(make: (ref: number) => FromDevice, kind: K): Promise<Typed<K>>;
  newRef(): number;
  /** Say a frame whose answer, if any, goes to the owner. Raises network.unreachable. */
  say(frame: FromDevice): Promise<void>;
}
