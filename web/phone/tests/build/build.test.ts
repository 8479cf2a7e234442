/** The build's own parts: integrity, and a key that stays on this machine. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withIntegrity } from "../../build/integrity.ts";
import { releaseKey } from "../../build/key.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "chappe-build-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("every script, style and preload of the page has an integrity, once", () => {
  const files: Record<string, string> = {
    "assets/a.js": "1",
    "assets/a.css": "2",
    "assets/b.js": "3",
  };
  const html =
    '<script type="module" crossorigin src="/assets/a.js"></script>' +
    '<link rel="stylesheet" href="/assets/a.css">' +
    '<link rel="modulepreload" crossorigin href="/assets/b.js"><link rel="icon" href="/icon.svg" />';
  const read = (path: string) => new TextEncoder().encode(files[path]);
  const done = withIntegrity(html, read);
  for (const text of Object.values(files)) {
    const digest = createHash("sha384").update(text).digest("base64");
    expect(done.split(`integrity="sha384-${digest}"`)).toHaveLength(2);
  }
  expect(done).toContain('<link rel="icon" href="/icon.svg" />');
  expect(done.match(/ crossorigin/g)).toHaveLength(3);
  expect(withIntegrity(done, read)).toBe(done);
});

test("a key is made once, for this user alone, and stays", () => {
  const one = releaseKey(folder);
  const file = join(folder, ".release", "key.pem");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(one.pinned).toMatch(/^[0-9a-f]{64}$/);
  expect(releaseKey(folder).pinned).toBe(one.pinned);
});

test("a key that was named and is not there is not made", () => {
  const file = join(folder, "elsewhere.pem");
  expect(() => releaseKey(folder, file)).toThrow();
  expect(existsSync(file)).toBe(false);
});

test("git never sees the key", () => {
  const ignored = readFileSync(join(import.meta.dirname, "../../.gitignore"), "utf8").split("\n");
  expect(ignored).toContain(".release/");
});
