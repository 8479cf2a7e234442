/**
 * What officers hand each other to appoint or remove one, as files: a request, a draft, an answer. Their forms are
 * those of src/chappe/client/officer_papers.py, so that each end may be this page or the command line.
 *
 * None is secret. Whoever passes a request on could put another in its place: both ends compare its digits.
 */
import { encode as pack, decode as unpack } from "@msgpack/msgpack";
import { type Bytes, concat, equal, utf8 } from "../../../phone/src/wire/bytes.ts";
import { sign } from "../../../phone/src/wire/certificate.ts";
import { error } from "../../../phone/src/wire/errors.ts";
import { walkMessagePack } from "../../../phone/src/wire/heads.ts";
import { openSealed } from "../../../phone/src/wire/opening.ts";
import {
  MAX_ROSTERS,
  type Officer as OnRoster,
  type Roster,
  readRoster,
  type SignedRoster,
  signedRoster,
} from "../../../phone/src/wire/rosters.ts";
import {
  bytes,
  int,
  list,
  nullable,
  type Of,
  optional,
  type Shape,
  struct,
  text,
} from "../../../phone/src/wire/shape.ts";
import { bodyBytes, check } from "../../../phone/src/wire/signing.ts";
import { PUBLIC_KEY_BYTES, sealTo } from "../../../phone/src/wire/unlock.ts";

const REQUEST_CONTEXT = "chappe officer request v1";
const ANSWER_CONTEXT = "chappe officer answer v1";
const MAX_PAPER = 8 * 1024 * 1024;
const DIGITS = 30;

const id16 = bytes(16);
const key32 = bytes(32);
export const placeShape = struct({
  host: text(1, 253),
  port: int(1, 65535),
  pin: nullable(bytes(0, 64)),
  server: text(1, 253),
});
const requestShape = struct({
  version: int(1, 1),
  id: id16,
  name: text(1, 64),
  key: key32,
  seal_key: bytes(PUBLIC_KEY_BYTES),
  signature: bytes(64),
});

/** A map that says in `type` what it is: as msgspec tags structs. */
function tagged<T extends object>(tag: string, shape: Shape<T>): Shape<T & { type: string }> {
  return (value) => {
    const { type, ...fields } = (value ?? {}) as Record<string, unknown>;
    if (type !== tag) throw error("file.unreadable");
    return { type: tag, ...shape(fields) };
  };
}

export const request = tagged("officer request", requestShape);
export const draft = tagged(
  "roster draft",
  struct({
    version: int(1, 1),
    roster: signedRoster,
    request: optional(nullable(request), null),
  }),
);
export const answer = tagged(
  "officer answer",
  struct({
    version: int(1, 1),
    officer: id16,
    place: placeShape,
    rosters: list(signedRoster, 1, MAX_ROSTERS),
    sealed: bytes(0, 4096),
  }),
);

/** Where the relay is. `server`: its name, which orders bear. */
export type Place = Of<typeof placeShape>;
/** A newcomer's public keys, signed with their own. */
export type Request = Of<typeof request>;
/** A next roster that some officers have signed; `request`: of whom it appoints, if it appoints one. */
export type Draft = Of<typeof draft>;
/** `sealed`: the fleet's seed, to the newcomer's key. */
export type Answer = Of<typeof answer>;

/** Throws file.unreadable. */
export async function readPaper<T extends object>(file: Blob, shape: Shape<T>): Promise<T> {
  if (file.size > MAX_PAPER) throw error("file.unreadable");
  const data = new Uint8Array(await file.arrayBuffer());
  try {
    walkMessagePack(data);
    return shape(unpack(data));
  } catch {
    throw error("file.unreadable");
  }
}

export function paperFile(paper: Request | Draft | Answer): Blob {
  return new Blob([new Uint8Array(pack(paper))], { type: "application/octet-stream" });
}

function requestBytes(one: Pick<Request, "id" | "name" | "key" | "seal_key">): Bytes {
  const body = new Uint8Array(pack([one.id, one.name, one.key, one.seal_key]));
  return bodyBytes(REQUEST_CONTEXT, body);
}

/** A newcomer's request; `secret`: 32 private bytes of `key`. */
export function makeRequest(
  of: Pick<Request, "id" | "name" | "key" | "seal_key">,
  secret: Uint8Array,
): Request {
  const { id, name, key, seal_key } = of;
  const signature = sign(secret, requestBytes(of));
  return { type: "officer request", version: 1, id, name, key, seal_key, signature };
}

/** Throws file.unreadable where it is not signed with the key that it brings. */
export function checkRequest(one: Request): void {
  check(one.key, one.signature, requestBytes(one), "file.unreadable");
}

/** Thirty digits in six groups, which newcomer and officer compare by voice. */
export async function digitsOf(one: Request): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-512", requestBytes(one)));
  const number = hash.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const text = (number % 10n ** BigInt(DIGITS)).toString().padStart(DIGITS, "0");
  return text.match(/.{5}/g)?.join(" ") ?? text;
}

/** The officer that a request would put on the roster. */
export function asOfficer({ id, name, key }: Request): OnRoster {
  return { id, name, key };
}

/** What a draft changes in the newest roster, by whom it puts on it and whom it takes off. */
export interface Change {
  added: OnRoster[];
  removed: OnRoster[];
}

export const sameOfficer = (one: OnRoster, other: OnRoster) =>
  equal(one.id, other.id) && one.name === other.name && equal(one.key, other.key);

/** Throws file.unreadable for a request that is not of whom the draft appoints. Signatures are not looked at. */
export function changeOf(before: Roster, one: Draft): Change {
  const after = readRoster(one.roster);
  const isIn = (officers: OnRoster[]) => (it: OnRoster) =>
    officers.some((other) => sameOfficer(it, other));
  const added = after.officers.filter((it) => !isIn(before.officers)(it));
  const removed = before.officers.filter((it) => !isIn(after.officers)(it));
  if (one.request !== null) checkRequest(one.request);
  const asked = one.request === null ? [] : [asOfficer(one.request)];
  const told =
    added.length === 0 || (added.length === asked.length && asked.every((it) => isIn(added)(it)));
  if (!told) throw error("file.unreadable");
  return { added, removed };
}

/** The fleet's seed for the newcomer alone. Throws file.unreadable for a seal key that is none. */
export async function makeAnswer(
  one: Request,
  place: Place,
  rosters: SignedRoster[],
  fleetSeed: Bytes,
): Promise<Answer> {
  try {
    const sealed = await sealTo(one.seal_key, answerContext(one.id), fleetSeed);
    return { type: "officer answer", version: 1, officer: one.id, place, rosters, sealed };
  } catch {
    throw error("file.unreadable");
  }
}

/** `sealing`: 96 private bytes of the newcomer's. Throws file.unreadable for what is not for that key. */
export async function openAnswer(one: Answer, sealing: Uint8Array): Promise<Bytes> {
  try {
    return key32(await openSealed(sealing, answerContext(one.officer), one.sealed));
  } catch {
    throw error("file.unreadable");
  }
}

const answerContext = (officer: Uint8Array) => concat(utf8(ANSWER_CONTEXT), officer);
