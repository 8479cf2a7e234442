/** One more device for a line: what its two devices say to each other (docs/protocol.md section 9.2). */

import { decode, encode } from "@msgpack/msgpack";
import { sha256 } from "@noble/hashes/sha2.js";
import { generateSealingKeys, MlsFault, openWithLabel, sealWithLabel } from "../mls";
import { RENDEZVOUS_SECONDS } from "../wire/api";
import { type Bytes, concat, equal, randomBytes, utf8 } from "../wire/bytes";
import { ChappeError, error } from "../wire/errors";
import { type DeviceLink, type RelayPlace, show as showLink } from "../wire/links";
import type { HttpApi, Slot } from "./http";
import { sleep } from "./transport";

const LABEL = "chappe device link v1";
const RENDEZVOUS = utf8("chappe rendezvous v1");
const WAIT_SECONDS = 25;
const SECRET_BYTES = 16;
const DEVICE_BYTES = 16;
const KEY_BYTES = 32;

export interface KnownContact {
  address: string;
  line: Bytes;
  identityKey: Bytes;
  verified: boolean;
}

/** What the old device gives the new one. `identity` is the line's private key. */
export interface Handover {
  identity: Bytes;
  line: Bytes;
  address: string;
  contacts: KnownContact[];
  /** The name of the line's organisation; empty for none. */
  organisation: string;
  /** The new device's. */
  certificate: Bytes;
  /** The old device's name in the transparency log, and how it lets the new one in there. */
  by: Bytes;
  endorsement: Bytes;
}

/** What the new device says of itself, and the key that the answer is sealed to. */
export interface Offer {
  deviceId: Bytes;
  signatureKey: Bytes;
}

/** On the new device: show a link, wait for the answer. Raises link.unknown when time is up. */
export async function receive(
  api: HttpApi,
  place: RelayPlace,
  show: (link: string) => void,
  { deviceId, signatureKey }: Offer,
): Promise<Handover> {
  const keys = await generateSealingKeys();
  const rendezvous = randomBytes(SECRET_BYTES);
  const offer = concat(deviceId, signatureKey, new Uint8Array(keys.publicKey));
  const keyHash = new Uint8Array(sha256(offer));
  await api.putLink(idOf(rendezvous), "offer", offer);
  show(showLink({ kind: "device", place, rendezvous, keyHash }));
  const answer = await slot(api, rendezvous, "answer", RENDEZVOUS_SECONDS);
  try {
    return read(decode(await openWithLabel(keys.privateKey, LABEL, rendezvous, answer)));
  } catch {
    throw error("link.malformed", "The other device's answer does not open; start again.");
  }
}

/** On the old device: `make` what the device of the offer is given. Raises link.unknown, link.used, link.malformed. */
export async function give(
  api: HttpApi,
  link: DeviceLink,
  make: (offer: Offer) => Handover | Promise<Handover>,
): Promise<void> {
  const offer = await slot(api, link.rendezvous, "offer", WAIT_SECONDS);
  if (!equal(new Uint8Array(sha256(offer)), link.keyHash))
    throw error(
      "link.malformed",
      "The link's key is not the one that the relay gave; do not go on.",
    );
  if (offer.length <= DEVICE_BYTES + KEY_BYTES) throw error("link.malformed");
  const handover = await make({
    deviceId: offer.slice(0, DEVICE_BYTES),
    signatureKey: offer.slice(DEVICE_BYTES, DEVICE_BYTES + KEY_BYTES),
  });
  const publicKey = offer.slice(DEVICE_BYTES + KEY_BYTES);
  const { identity, line, address, contacts, organisation } = handover;
  const plain = encode([
    identity,
    line,
    address,
    contacts.map((one) => [one.address, one.line, one.identityKey, one.verified]),
    organisation,
    handover.certificate,
    handover.by,
    handover.endorsement,
  ]);
  try {
    const sealed = await sealWithLabel(publicKey, LABEL, link.rendezvous, plain);
    await api.putLink(idOf(link.rendezvous), "answer", new Uint8Array(sealed));
  } catch (problem) {
    throw problem instanceof MlsFault ? error("link.malformed") : problem;
  } finally {
    plain.fill(0);
  }
}

const idOf = (rendezvous: Bytes): Bytes =>
  new Uint8Array(sha256(concat(RENDEZVOUS, rendezvous)).subarray(0, 16));

/** What the other one leaves, once it does. */
async function slot(api: HttpApi, rendezvous: Bytes, name: Slot, seconds: number): Promise<Bytes> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const left = Math.floor((deadline - Date.now()) / 1000);
    try {
      return await api.getLink(idOf(rendezvous), name, Math.max(0, Math.min(WAIT_SECONDS, left)));
    } catch (problem) {
      const passing =
        problem instanceof ChappeError &&
        ["link.unknown", "network.unreachable", "network.timeout"].includes(problem.code);
      if (!passing || Date.now() >= deadline) throw problem;
    }
    await sleep(200);
  }
}

/** Throws for what does not fit. */
function read(found: unknown): Handover {
  if (!Array.isArray(found) || found.length !== 8) throw new TypeError("not a handover");
  const [identity, line, address, contacts, organisation, certificate, by, endorsement] =
    found as unknown[];
  if (typeof address !== "string" || typeof organisation !== "string" || !Array.isArray(contacts))
    throw new TypeError("not a handover");
  if (!(certificate instanceof Uint8Array)) throw new TypeError("not a handover");
  return {
    identity: bytesOf(identity, 32),
    line: bytesOf(line, 16),
    address,
    contacts: contacts.map(contactOf),
    organisation: organisation.slice(0, 64),
    certificate: new Uint8Array(certificate),
    by: bytesOf(by, 32),
    endorsement: bytesOf(endorsement, 64),
  };
}

function contactOf(found: unknown): KnownContact {
  if (!Array.isArray(found) || found.length !== 4) throw new TypeError("not a contact");
  const [address, line, identityKey, verified] = found as unknown[];
  if (typeof address !== "string" || typeof verified !== "boolean")
    throw new TypeError("not a contact");
  return { address, line: bytesOf(line, 16), identityKey: bytesOf(identityKey, 32), verified };
}

function bytesOf(value: unknown, length: number): Bytes {
  if (!(value instanceof Uint8Array) || value.length !== length) throw new TypeError("not bytes");
  return new Uint8Array(value);
}
