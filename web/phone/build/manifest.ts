/** The release manifest: every file of the page with its SHA-256, and one hash over them all. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import type { ReleaseKey } from "./key.ts";

export const MANIFEST = "release.json";
export const SIGNATURE = "release.sig";

export interface Entry {
  path: string;
  size: number;
  sha256: string;
}

export interface Manifest {
  format: 1;
  version: string;
  /** Grows from release to release: an older one is not taken again. Unix seconds of the build. */
  serial: number;
  bundle: string;
  files: Entry[];
}

/** Files below `folder`, sorted by path, without the manifest itself. */
export function entries(folder: string): Entry[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((item) => item.isFile())
    .map((item) => relative(folder, join(item.parentPath, item.name)).split(sep).join("/"))
    .filter((path) => path !== MANIFEST && path !== SIGNATURE)
    .sort()
    .map((path) => {
      const bytes = readFileSync(join(folder, path));
      return { path, size: bytes.length, sha256: sha256(bytes) };
    });
}

/** SHA-256 over the lines that `sha256sum` prints for these files: anybody can work it out. */
export function bundleHash(files: Pick<Entry, "path" | "sha256">[]): string {
  return sha256(files.map((file) => `${file.sha256}  ${file.path}\n`).join(""));
}

export function writeManifest(
  folder: string,
  version: string,
  serial: number,
  key: ReleaseKey,
): Manifest {
  const files = entries(folder);
  const manifest: Manifest = { format: 1, version, serial, bundle: bundleHash(files), files };
  const bytes = new TextEncoder().encode(`${JSON.stringify(manifest, null, 1)}\n`);
  writeFileSync(join(folder, MANIFEST), bytes);
  writeFileSync(join(folder, SIGNATURE), key.sign(bytes));
  return manifest;
}

function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}
