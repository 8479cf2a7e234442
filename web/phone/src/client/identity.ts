/** Who this device is: its line's identity key, its own signature key, its certificate, its relay. */

import type { Signer } from "../mls";
import type { Change, Store } from "../vault/store";
import { type Bytes, randomBytes, toHex } from "../wire/bytes";
import {
  type DeviceCertificate,
  fromBytes,
  issue,
  publicKey,
  serverOf,
  sign,
  toBytes,
} from "../wire/certificate";
import { error } from "../wire/errors";
import type { RelayPlace } from "../wire/links";
import { tables } from "./rows";

const KEY = "identity";

interface Kept {
  identity: Bytes;
  signer: Bytes;
  certificate: Bytes;
  host: string;
  port: number;
  pin: Bytes | null;
}

/** `identity` and `signer` are private keys (Ed25519, 32 bytes). */
export class Me {
  readonly certificate: DeviceCertificate;

  constructor(
    readonly identity: Bytes,
    readonly signer: Signer,
    readonly certificateBytes: Bytes,
    readonly place: RelayPlace,
  ) {
    this.certificate = fromBytes(certificateBytes);
  }

  get address(): string {
    return this.certificate.address;
  }

  get line(): string {
    return toHex(this.certificate.lineId);
  }

  get device(): string {
    return toHex(this.certificate.deviceId);
  }

  get deviceId(): Bytes {
    return this.certificate.deviceId;
  }

  /** The relay's name, the host part of its addresses. */
  get server(): string {
    return serverOf(this.address);
  }

  /** A signature of the device's key. */
  sign(data: Uint8Array): Bytes {
    return sign(this.signer.privateKey, data);
  }

  keep(change: Change): void {
    const { host, port, pin } = this.place;
    const kept: Kept = {
      identity: this.identity,
      signer: new Uint8Array(this.signer.privateKey),
      certificate: this.certificateBytes,
      host,
      port,
      pin,
    };
    change.put(tables.meta, KEY, kept);
  }

  /** Raises storage.missing. */
  static async kept(store: Store): Promise<Me> {
    const kept = (await store.get(tables.meta, KEY)) as Kept | undefined;
    if (kept === undefined) throw error("storage.missing");
    const { host, port, pin } = kept;
    const signer = { privateKey: kept.signer, publicKey: publicKey(kept.signer) };
    return new Me(kept.identity, signer, kept.certificate, { host, port, pin });
  }
}

/** A new device of a line, with fresh keys and ids. */
export function newDevice(of: {
  identity: Bytes;
  line: Bytes;
  address: string;
  place: RelayPlace;
  fleetKey: Bytes;
  now: number;
}): Me {
  const privateKey = randomBytes(32);
  const signer = { privateKey, publicKey: publicKey(privateKey) };
  const certificate = issue(of.identity, {
    lineId: of.line,
    address: of.address,
    deviceId: randomBytes(16),
    signatureKey: signer.publicKey,
    fleetKey: of.fleetKey,
    issuedAt: of.now,
  });
  return new Me(of.identity, signer, toBytes(certificate), of.place);
}

/** The first device of a new line. */
export const newLine = (address: string, place: RelayPlace, fleetKey: Bytes, now: number): Me =>
  newDevice({
    identity: randomBytes(32),
    line: randomBytes(16),
    address,
    place,
    fleetKey,
    now,
  });
