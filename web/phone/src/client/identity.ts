/** Who this device is: its line's identity key, its own signature key, its certificate, its relay. */

import type { Signer } from "../mls";
import type { Change, Store } from "../vault/store";
import { type Bytes, equal, randomBytes, toHex } from "../wire/bytes";
import {
  type DeviceCertificate,
  fromBytes,
  issue,
  publicKey,
  serverOf,
  sign,
  toBytes,
  verify,
} from "../wire/certificate";
import { certificateHash, deviceHash, endorsementBytes, lineCommitment } from "../wire/endorsing";
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

  /** The certificate of one more device of the line. */
  certify(deviceId: Bytes, signatureKey: Bytes, now: number): Bytes {
    const { lineId, address, fleetKey } = this.certificate;
    return toBytes(
      issue(this.identity, { lineId, address, deviceId, signatureKey, fleetKey, issuedAt: now }),
    );
  }

  /** How this device lets that one in, for the transparency log. `salt`: of the line there. */
  endorse(certificate: Bytes, salt: Bytes): Bytes {
    const { lineId, address } = this.certificate;
    const { deviceId, signatureKey } = fromBytes(certificate);
    const line = lineCommitment(salt, lineId, address);
    return this.sign(
      endorsementBytes(line, deviceHash(deviceId), certificateHash(certificate), signatureKey),
    );
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

/** A device's signature key. */
export function newSigner(): { privateKey: Bytes; publicKey: Bytes } {
  const privateKey = randomBytes(32);
  return { privateKey, publicKey: publicKey(privateKey) };
}

/**
 * A device of a line that another device of it made the certificate for. Raises link.malformed for one that is
 * not about it, certificate.invalid for one that does not hold.
 */
export function linked(of: {
  signer: { privateKey: Bytes; publicKey: Bytes };
  deviceId: Bytes;
  identity: Bytes;
  certificate: Bytes;
  place: RelayPlace;
}): Me {
  const read = fromBytes(of.certificate);
  verify(read);
  const about =
    equal(read.deviceId, of.deviceId) &&
    equal(read.signatureKey, of.signer.publicKey) &&
    equal(read.identityKey, publicKey(of.identity));
  if (!about)
    throw error("link.malformed", "The other device answered for another one; start again.");
  return new Me(of.identity, of.signer, of.certificate, of.place);
}

/**
 * The first device of a line, with fresh keys and ids. `lineId`: of one that is there, and is to have these keys
 * from now on.
 */
export function newLine(
  address: string,
  place: RelayPlace,
  fleetKey: Bytes,
  now: number,
  lineId = randomBytes(16),
): Me {
  const identity = randomBytes(32);
  const signer = newSigner();
  const certificate = issue(identity, {
    lineId,
    address,
    deviceId: randomBytes(16),
    signatureKey: signer.publicKey,
    fleetKey,
    issuedAt: now,
  });
  return new Me(identity, signer, toBytes(certificate), place);
}
