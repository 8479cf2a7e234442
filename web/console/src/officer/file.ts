/**
 * An officer's file, opened in the browser (its form: src/chappe/client/officer_file.py). The file and its keys
 * stay in this page's memory; nothing of them is stored, sent or logged.
 */
import { decode as unpack } from "@msgpack/msgpack";
import { stretch } from "../../../phone/src/vault/keys.ts";
import { type Bytes, concat, utf8 } from "../../../phone/src/wire/bytes.ts";
import { publicKey } from "../../../phone/src/wire/certificate.ts";
import { error } from "../../../phone/src/wire/errors.ts";
import { walkMessagePack } from "../../../phone/src/wire/heads.ts";
import { PRIVATE_KEY_BYTES } from "../../../phone/src/wire/opening.ts";
import { type SignedRoster, signedRoster } from "../../../phone/src/wire/rosters.ts";
import {
  bytes,
  int,
  list,
  nullable,
  type Of,
  struct,
  text,
} from "../../../phone/src/wire/shape.ts";

const MAGIC = utf8("chappe officer v1\n");
const SALT = 16;
const NONCE = 12;
const HEADER = MAGIC.length + SALT + NONCE;
/** The form's own limit is larger; more than this no page should hold. */
const MAX_FILE = 16 * 1024 * 1024;

const id16 = bytes(16);
const key32 = bytes(32);
const knownLine = struct({ line: id16, address: text(), identity_key: key32 });
const place = struct({ server: text(1, 253) });
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
  if (file.size > MAX_FILE) throw error("storage.failed");
  const data = new Uint8Array(await file.arrayBuffer());
  const header = data.slice(0, HEADER);
  if (header.length < HEADER || !MAGIC.every((byte, at) => header[at] === byte))
    throw error("storage.failed");
  const stretched = await stretch(passphrase, header.slice(MAGIC.length, MAGIC.length + SALT));
  const key = await derived(stretched, "officer file");
  const aes = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["decrypt"]);
  const parameters = { name: "AES-GCM", iv: header.slice(-NONCE), additionalData: header };
  let opened: ArrayBuffer;
  try {
    opened = await crypto.subtle.decrypt(parameters, aes, data.slice(HEADER));
  } catch {
    throw error("fleet.wrong_passphrase");
  } finally {
    key.fill(0);
    stretched.fill(0);
  }
  return readState(new Uint8Array(opened));
}

async function readState(opened: Bytes): Promise<Officer> {
  walkMessagePack(opened);
  const state = unpack(opened) as Record<string, unknown>;
  if (state.version !== 1) throw error("storage.failed");
  if (state.state !== "appointed" || state.fleet_seed === null || state.place === null)
    throw error("organisation.unknown");
  const where = state.place as Record<string, unknown>;
  const fleetSeed = key32(state.fleet_seed);
  const fleet = await derived(fleetSeed, "chappe fleet signing v1");
  return {
    id: id16(state.id),
    name: text(1, 64)(state.name),
    signing: await derived(key32(state.seed), "chappe officer signing v1"),
    fleet,
    fleetPublic: publicKey(fleet),
    fleetSeed,
    fleetSealing: await derived(fleetSeed, "chappe fleet sealing v1", PRIVATE_KEY_BYTES),
    server: place({ server: where.server }).server,
    rosters: list(signedRoster, 1)(state.rosters),
    lines: list(knownLine)(state.lines ?? []),
    audit: nullable(head)(state.audit ?? null),
  };
}

/** HKDF-SHA256 without a salt. */
async function derived(secret: Uint8Array, info: string, length = 32): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", concat(secret), "HKDF", false, ["deriveBits"]);
  const parameters = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: utf8(info) };
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, key, 8 * length));
}
