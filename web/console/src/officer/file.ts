/**
 * An officer's file, opened in the browser (its form: src/chappe/client/officer_file.py). The file and its keys
 * stay in this page's memory; nothing of them is stored, sent or logged.
 */
import { encode as pack, decode as unpack } from "@msgpack/msgpack";
import { stretch } from "../../../phone/src/vault/keys.ts";
import { check as checkPin } from "../../../phone/src/vault/pins.ts";
import { type Bytes, concat, equal, randomBytes, utf8 } from "../../../phone/src/wire/bytes.ts";
import { publicKey } from "../../../phone/src/wire/certificate.ts";
import { error } from "../../../phone/src/wire/errors.ts";
import { walkMessagePack } from "../../../phone/src/wire/heads.ts";
import { PRIVATE_KEY_BYTES, sealingPublic } from "../../../phone/src/wire/opening.ts";
import { checkChain, type SignedRoster, signedRoster } from "../../../phone/src/wire/rosters.ts";
import {
  bytes,
  int,
  list,
  nullable,
  type Of,
  struct,
  text,
} from "../../../phone/src/wire/shape.ts";

import {
  type Answer,
  makeRequest,
  openAnswer,
  type Place,
  placeShape,
  type Request,
  sameOfficer,
} from "./papers.ts";

const MAGIC = utf8("chappe officer v1\n");
const SALT = 16;
const NONCE = 12;
const HEADER = MAGIC.length + SALT + NONCE;
/** The form's own limit is larger; more than this no page should hold. */
const MAX_FILE = 16 * 1024 * 1024;

const id16 = bytes(16);
const key32 = bytes(32);
const knownLine = struct({ line: id16, address: text(), identity_key: key32 });
const head = struct({ size: int(0, 2 ** 53), root: key32 });

/** A line as the officer first saw it. */
export type KnownLine = Of<typeof knownLine>;

/** What is in the file, as far as this page uses it. */
export interface Officer {
  id: Bytes;
  name: string;
  /** 32 private bytes each: the officer's Ed25519 key, and the fleet's. */
  signing: Bytes;
  fleet: Bytes;
  fleetPublic: Bytes;
  /** 32 private bytes that both keys of the fleet come from: what a new officer is given. */
  fleetSeed: Bytes;
  /** 96 private bytes of X-Wing: opens the registers of devices. */
  fleetSealing: Bytes;
  place: Place;
  server: string;
  rosters: SignedRoster[];
  lines: KnownLine[];
  /** The audit log's head when the command line read it last. */
  audit: Of<typeof head> | null;
}

/** Nothing of it is left in this page's memory but copies that the browser made. */
export function forget(officer: Officer): void {
  for (const secret of [officer.signing, officer.fleet, officer.fleetSeed, officer.fleetSealing])
    secret.fill(0);
}

/** Throws storage.failed (no officer's file), fleet.wrong_passphrase, organisation.unknown (not appointed yet). */
export async function openOfficer(file: Blob, passphrase: string): Promise<Officer> {
  return readState((await opened(file, passphrase)).state);
}

/**
 * A new file of somebody who asks to be appointed, and their request. Throws vault.weak_pin: digits alone are too
 * easy to guess here, for whoever copies the file tries as often as they like.
 */
export async function newcomer(
  name: string,
  passphrase: string,
  now: number,
): Promise<{ file: Blob; request: Request }> {
  if (/^\s*[0-9]*\s*$/.test(passphrase)) throw error("vault.weak_pin");
  checkPin(passphrase, [name]);
  const state = {
    version: 1,
    state: "asked",
    id: randomBytes(16),
    name: text(1, 64)(name),
    seed: randomBytes(32),
    made_at: now,
  };
  const { signing, sealing } = await officerKeys(state.seed);
  const of = { id: state.id, name, key: publicKey(signing), seal_key: sealingPublic(sealing) };
  const request = makeRequest(of, signing);
  const salt = randomBytes(SALT);
  const file = await sealed(state, salt, await fileKey(passphrase, salt));
  for (const secret of [signing, sealing, state.seed]) secret.fill(0);
  return { file, request };
}

/**
 * The newcomer's file once the appointment is taken. Throws as `openOfficer`; fleet.exists (appointed already),
 * file.unreadable where the answer is for somebody else, or fleet key and roster do not belong together.
 */
export async function accepted(file: Blob, passphrase: string, answer: Answer): Promise<Blob> {
  const { state, salt, key } = await opened(file, passphrase);
  if (state.state !== "asked") throw error("fleet.exists");
  const { signing, sealing } = await officerKeys(key32(state.seed));
  const seed = await openAnswer(answer, sealing);
  const fleet = await derived(seed, "chappe fleet signing v1");
  const fleetSealing = await derived(seed, "chappe fleet sealing v1", PRIVATE_KEY_BYTES);
  const { roster } = checkChain(answer.rosters, publicKey(fleet));
  const me = { id: id16(state.id), name: text(1, 64)(state.name), key: publicKey(signing) };
  const ours =
    equal(roster.seal_key, sealingPublic(fleetSealing)) &&
    roster.officers.some((one) => sameOfficer(one, me));
  if (!ours) throw error("file.unreadable");
  const { place, rosters } = answer;
  const appointed = { ...state, state: "appointed", fleet_seed: seed, place, rosters };
  const made = await sealed(appointed, salt, key);
  for (const secret of [signing, sealing, fleet, fleetSealing, seed]) secret.fill(0);
  return made;
}

interface Opened {
  state: Record<string, unknown>;
  salt: Bytes;
  key: CryptoKey;
}

async function opened(file: Blob, passphrase: string): Promise<Opened> {
  if (file.size > MAX_FILE) throw error("storage.failed");
  const data = new Uint8Array(await file.arrayBuffer());
  const header = data.slice(0, HEADER);
  if (header.length < HEADER || !MAGIC.every((byte, at) => header[at] === byte))
    throw error("storage.failed");
  const salt = header.slice(MAGIC.length, MAGIC.length + SALT);
  const key = await fileKey(passphrase, salt);
  const parameters = { name: "AES-GCM", iv: header.slice(-NONCE), additionalData: header };
  let content: ArrayBuffer;
  try {
    content = await crypto.subtle.decrypt(parameters, key, data.slice(HEADER));
  } catch {
    throw error("fleet.wrong_passphrase");
  }
  const packed = new Uint8Array(content);
  walkMessagePack(packed);
  const state = unpack(packed) as Record<string, unknown>;
  if (state.version !== 1) throw error("storage.failed");
  return { state, salt, key };
}

async function fileKey(passphrase: string, salt: Bytes): Promise<CryptoKey> {
  const stretched = await stretch(passphrase, salt);
  const key = await derived(stretched, "officer file");
  try {
    return await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]);
  } finally {
    key.fill(0);
    stretched.fill(0);
  }
}

/** The whole file. Each has a nonce of its own, as its key has a salt of its own. */
async function sealed(state: object, salt: Bytes, key: CryptoKey): Promise<Blob> {
  const header = concat(MAGIC, salt, randomBytes(NONCE));
  const parameters = { name: "AES-GCM", iv: header.slice(-NONCE), additionalData: header };
  const packed = new Uint8Array(pack(state));
  try {
    const content = new Uint8Array(await crypto.subtle.encrypt(parameters, key, packed));
    return new Blob([header, content], { type: "application/octet-stream" });
  } finally {
    packed.fill(0);
  }
}

async function readState(state: Record<string, unknown>): Promise<Officer> {
  if (state.state !== "appointed" || state.fleet_seed === null || state.place === null)
    throw error("organisation.unknown");
  const where = placeShape(state.place);
  const fleetSeed = key32(state.fleet_seed);
  const fleet = await derived(fleetSeed, "chappe fleet signing v1");
  return {
    id: id16(state.id),
    name: text(1, 64)(state.name),
    signing: (await officerKeys(key32(state.seed))).signing,
    fleet,
    fleetPublic: publicKey(fleet),
    fleetSeed,
    fleetSealing: await derived(fleetSeed, "chappe fleet sealing v1", PRIVATE_KEY_BYTES),
    place: where,
    server: where.server,
    rosters: list(signedRoster, 1)(state.rosters),
    lines: list(knownLine)(state.lines ?? []),
    audit: nullable(head)(state.audit ?? null),
  };
}

/** 32 private bytes of Ed25519, 96 of X-Wing (src/chappe/client/officer_keys.py). */
async function officerKeys(seed: Bytes): Promise<{ signing: Bytes; sealing: Bytes }> {
  return {
    signing: await derived(seed, "chappe officer signing v1"),
    sealing: await derived(seed, "chappe officer sealing v1", PRIVATE_KEY_BYTES),
  };
}

/** HKDF-SHA256 without a salt. */
async function derived(secret: Uint8Array, info: string, length = 32): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", concat(secret), "HKDF", false, ["deriveBits"]);
  const parameters = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: utf8(info) };
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, key, 8 * length));
}
