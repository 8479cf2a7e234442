/**
 * One connection to the relay, without a socket: bytes of frames in, what happened out. It greets, signs in, and
 * matches answers to who asked (docs/protocol.md section 7.1).
 */

import type { Bytes } from "../wire/bytes";
import { type ChappeError, error, fromPeer } from "../wire/errors";
import {
  decodeFromRelay,
  encode,
  type FromDevice,
  type FromRelay,
  signInBytes,
  type Typed,
} from "../wire/frames";

/** Who signs in: the device's id, its relay's server name, its signature key. */
export interface Signer {
  deviceId: Bytes;
  server: string;
  sign(data: Uint8Array): Bytes;
}

/** An answer to a frame that bore this ref. */
export interface Answered {
  ref: number;
  answer: FromRelay | ChappeError;
}

/** What a frame of the relay came to. */
export type Happening =
  | { type: "say"; data: Bytes }
  | { type: "opened"; welcome: Typed<"welcome"> }
  | { type: "delivered"; envelope: Typed<"deliver"> }
  | { type: "ordered"; order: Typed<"order"> }
  | { type: "posted"; posted: Typed<"posted"> }
  | { type: "termed"; term: Typed<"term"> }
  | ({ type: "answered" } & Answered);

/**
 * `ordered`: the device is revoked, or its line is out of term, and it is handed its order; it may report, and
 * nothing else.
 */
export type State = "new" | "signing" | "ordered" | "open";

export class Session {
  private at: State = "new";
  /** What the relay's clock said as it greeted: Unix seconds. */
  relayTime = 0;

  constructor(private readonly me: Signer) {}

  get state(): State {
    return this.at;
  }

  /** Whether the relay has let the device in. */
  get isThrough(): boolean {
    return this.at === "open" || this.at === "ordered";
  }

  /** Whether this frame may be said now. */
  takes(frame: FromDevice): boolean {
    return this.at === "open" || (this.at === "ordered" && frame.t === "report");
  }

  /** One message of the socket. Throws why the connection ends. */
  take(data: Uint8Array): Happening {
    const frame = decodeFromRelay(data);
    if (frame.t === "refused" && frame.ref === null) throw fromPeer(frame.code);
    if (this.at === "new") return this.greeted(frame);
    if (this.at === "signing") return this.admitted(frame);
    return happened(frame);
  }

  private greeted(frame: FromRelay): Happening {
    if (frame.t !== "hello" || frame.server !== this.me.server) {
      throw error("network.untrusted", "This is not the relay that the line belongs to.");
    }
    this.at = "signing";
    this.relayTime = frame.time;
    const signature = this.me.sign(signInBytes(frame.server, frame.nonce));
    return { type: "say", data: encode({ t: "sign_in", device: this.me.deviceId, signature }) };
  }

  private admitted(frame: FromRelay): Happening {
    if (frame.t === "order") {
      this.at = "ordered";
      return { type: "ordered", order: frame };
    }
    if (frame.t === "term") {
      // In place of the welcome: the line is suspended, or closed.
      this.at = "ordered";
      return { type: "termed", term: frame };
    }
    if (frame.t !== "welcome") throw error("frame.unexpected");
    this.at = "open";
    return { type: "opened", welcome: frame };
  }
}

function happened(frame: FromRelay): Happening {
  switch (frame.t) {
    case "deliver":
      return { type: "delivered", envelope: frame };
    case "order":
      return { type: "ordered", order: frame };
    case "posted":
      return { type: "posted", posted: frame };
    case "term":
      return { type: "termed", term: frame };
    case "hello":
    case "welcome":
      throw error("frame.unexpected");
    case "refused":
      return { type: "answered", ref: frame.ref ?? 0, answer: fromPeer(frame.code) };
    default:
      return { type: "answered", ref: frame.ref, answer: frame };
  }
}
