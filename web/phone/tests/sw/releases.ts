/** Releases made by the build itself, in memory: what it signs is what the service worker reads. */
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { releaseKey } from "../../build/key.ts";
import { writeManifest } from "../../build/manifest.ts";

export interface Made {
  manifest: Uint8Array<ArrayBuffer>;
  signature: Uint8Array<ArrayBuffer>;
  /** By path, as the relay serves them. */
  files: Map<string, Uint8Array<ArrayBuffer>>;
}

/** A key file of its own, in a folder that goes away. */
export function keyFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "chappe-key-"));
  const { privateKey } = generateKeyPairSync("ed25519");
  const file = join(folder, "key.pem");
  writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }));
  return file;
}

export function make(key: string, files: Record<string, string>, serial = 1): Made {
  const folder = mkdtempSync(join(tmpdir(), "chappe-release-"));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    writeManifest(folder, "1.2.3", serial, releaseKey("", key));
    const read = (path: string) => new Uint8Array(readFileSync(join(folder, path)));
    return {
      manifest: read("release.json"),
      signature: read("release.sig"),
      files: new Map(Object.keys(files).map((path) => [`/${path}`, read(path)])),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function pinned(key: string): Uint8Array {
  return Uint8Array.from(releaseKey("", key).pinned.match(/../g) ?? [], (pair) =>
    Number.parseInt(pair, 16),
  );
}
