/** Which manifests hold. The build makes them, so that both ends agree on what is signed and hashed. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { checkFile, mayFollow, openRelease, RefusedRelease } from "../../src/sw/release.ts";
import { keyFile, make, pinned } from "./releases.ts";

const key = keyFile();
const FILES = { "index.html": "<p>1</p>", "assets/a-12345678.js": "1", "sw.js": "2" };
const made = make(key, FILES);

function reason(doing: Promise<unknown>): Promise<string> {
  return doing.then(
    () => "taken",
    (problem) => (problem instanceof RefusedRelease ? problem.reason : `not typed: ${problem}`),
  );
}

function open(manifest = made.manifest, signature = made.signature, by = pinned(key)) {
  return openRelease(manifest, signature, by);
}

/** Signed, but of another form. */
async function signed(change: (manifest: Record<string, unknown>) => unknown): Promise<string> {
  const { releaseKey } = await import("../../build/key.ts");
  const other = change(JSON.parse(new TextDecoder().decode(made.manifest)));
  const bytes = new TextEncoder().encode(typeof other === "string" ? other : JSON.stringify(other));
  return reason(open(bytes, new Uint8Array(releaseKey("", key).sign(bytes))));
}

describe("a manifest", () => {
  test("that the key signed is taken, and its bundle is what sha256sum would say", async () => {
    const release = await open();
    expect(release.files.map((file) => file.path)).toEqual(Object.keys(FILES).sort());
    const lines = release.files.map((file) => `${file.sha256}  ${file.path}\n`).join("");
    expect(release.bundle).toBe(createHash("sha256").update(lines).digest("hex"));
    expect(release.version).toBe("1.2.3");
  });

  test("that another key signed is refused", async () => {
    expect(await reason(open(undefined, undefined, pinned(keyFile())))).toBe("signature");
  });

  test("of which one bit was changed is refused, wherever it is", async () => {
    for (let at = 0; at < made.manifest.length; at += 7) {
      const other = made.manifest.slice();
      other[at] = (other[at] ?? 0) ^ 1;
      expect(await reason(open(other))).toBe("signature");
    }
  });

  test("with a signature that is none is refused", async () => {
    for (const bytes of [
      new Uint8Array(),
      new Uint8Array(64),
      new Uint8Array(65),
      made.signature.slice(1),
    ])
      expect(await reason(open(undefined, bytes))).toBe("signature");
    expect(await reason(open(undefined, undefined, new Uint8Array(31)))).toBe("signature");
  });

  test("that is signed but of another form is refused", async () => {
    expect(await signed((it) => ({ ...it, format: 2 }))).toBe("manifest");
    expect(await signed((it) => ({ ...it, bundle: "0".repeat(64) }))).toBe("manifest");
    expect(await signed((it) => ({ ...it, serial: "1" }))).toBe("manifest");
    expect(await signed((it) => ({ ...it, files: {} }))).toBe("manifest");
    expect(await signed(() => "null")).toBe("manifest");
    expect(await signed(() => "{")).toBe("manifest");
    expect(await signed(() => `"${"x".repeat(300_000)}"`)).toBe("manifest");
    for (const path of ["../x.js", "/x.js", "a/b.js", "", ".x", "assets/../x", "http:x"])
      expect(
        await signed((it) => ({ ...it, files: [{ path, size: 1, sha256: "0".repeat(64) }] })),
      ).toBe("manifest");
  });
});

test("a release follows an older one, never a newer one", async () => {
  const now = await open();
  const next = await openRelease(...parts(make(key, { "index.html": "new" }, 2)), pinned(key));
  expect(mayFollow(now, null)).toBe(true);
  expect(mayFollow(next, now)).toBe(true);
  expect(mayFollow(now, now)).toBe(false);
  expect(() => mayFollow(now, next)).toThrow(RefusedRelease);
});

test("a file is the one that is meant, or refused", async () => {
  const file = (await open()).files[0];
  if (!file) throw new Error("no file");
  const data = made.files.get(`/${file.path}`) ?? new Uint8Array();
  await checkFile(file, data);
  expect(await reason(checkFile(file, new Uint8Array([...data, 0])))).toBe("file");
  expect(await reason(checkFile(file, new Uint8Array(data.length)))).toBe("file");
});

function parts(one: ReturnType<typeof make>): [Uint8Array<ArrayBuffer>, Uint8Array] {
  return [one.manifest, one.signature];
}
