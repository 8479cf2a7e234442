/** What a release is, and when it may take the place of the one that is here. No caches, no network. */
import { ed25519 } from "@noble/curves/ed25519.js";

export const MANIFEST = "/release.json";
export const SIGNATURE = "/release.sig";

const CONTEXT = new TextEncoder().encode("chappe release v1\0");
const MAX_MANIFEST = 256 * 1024;
const PATH = /^(console\/)?(assets\/)?[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}$/;
const SHA256 = /^[0-9a-f]{64}$/;

export interface ReleaseFile {
  path: string;
  size: number;
  sha256: string;
}

export interface Release {
  version: string;
  serial: number;
  bundle: string;
  files: ReleaseFile[];
  /** SHA-256 of the manifest itself, in hex: what the transparency log announces. */
  digest?: string;
}

/** Why a release was not taken. The page has words for each. */
export type Refusal = "signature" | "manifest" | "older" | "file" | "unreachable";

export class RefusedRelease extends Error {
  constructor(
    readonly reason: Refusal,
    detail = "",
  ) {
    super(`release refused: ${reason} ${detail}`);
  }
}

export async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
}

/**
 * The release that these bytes describe. Throws RefusedRelease: `signature` unless `key` (32 bytes) signed just
 * them, `manifest` if they have another form, or name a bundle that is not the hash over their files.
 */
export async function openRelease(
  manifest: Uint8Array<ArrayBuffer>,
  signature: Uint8Array,
  key: Uint8Array,
): Promise<Release> {
  if (manifest.length > MAX_MANIFEST) throw new RefusedRelease("manifest", "size");
  const signed = new Uint8Array(CONTEXT.length + manifest.length);
  signed.set(CONTEXT);
  signed.set(manifest, CONTEXT.length);
  if (!holds(signature, signed, key)) throw new RefusedRelease("signature");
  const release = parse(manifest);
  const lines = release.files.map((file) => `${file.sha256}  ${file.path}\n`).join("");
  if ((await sha256(new TextEncoder().encode(lines))) !== release.bundle)
    throw new RefusedRelease("manifest", "bundle");
  return { ...release, digest: await sha256(manifest) };
}

/** Whether `next` may follow `now`. Throws RefusedRelease `older`: a signed release must not come back later. */
export function mayFollow(next: Release, now: Release | null): boolean {
  if (now === null) return true;
  if (next.serial < now.serial) throw new RefusedRelease("older");
  return next.bundle !== now.bundle;
}

/** Throws RefusedRelease `file` unless these bytes are the ones that the manifest means. */
export async function checkFile(file: ReleaseFile, data: Uint8Array<ArrayBuffer>): Promise<void> {
  if (data.length !== file.size || (await sha256(data)) !== file.sha256)
    throw new RefusedRelease("file", file.path);
}

function holds(signature: Uint8Array, signed: Uint8Array, key: Uint8Array): boolean {
  try {
    // RFC 8032 as written, without ZIP 215's leniency.
    return ed25519.verify(signature, signed, key, { zip215: false });
  } catch {
    return false;
  }
}

function parse(manifest: Uint8Array): Release {
  let found: unknown;
  try {
    found = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(manifest));
  } catch {
    throw new RefusedRelease("manifest", "json");
  }
  if (!isRelease(found)) throw new RefusedRelease("manifest", "form");
  return found;
}

function isRelease(found: unknown): found is Release {
  const it = found as Partial<Record<string, unknown>> | null;
  return (
    typeof it === "object" &&
    it !== null &&
    it.format === 1 &&
    typeof it.version === "string" &&
    Number.isSafeInteger(it.serial) &&
    typeof it.bundle === "string" &&
    SHA256.test(it.bundle) &&
    Array.isArray(it.files) &&
    it.files.every(isFile)
  );
}

function isFile(found: unknown): found is ReleaseFile {
  const it = found as Partial<Record<string, unknown>> | null;
  return (
    typeof it === "object" &&
    it !== null &&
    typeof it.path === "string" &&
    PATH.test(it.path) &&
    typeof it.sha256 === "string" &&
    SHA256.test(it.sha256) &&
    Number.isSafeInteger(it.size)
  );
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
