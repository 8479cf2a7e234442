/** What a phone fetches before anybody can use it: the page, its worker, and what both import without asking. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { gzipSync } from "node:zlib";
import { parseAst } from "vite";
import { expect, test } from "vitest";

const DIST = join(import.meta.dirname, "../../dist");
/** Issue 5, point 9. In kilobytes of 1,000 bytes, as the relay squeezes them. */
const BUDGET = 400_000;

const read = (path: string): string => readFileSync(join(DIST, path), "utf8");

/** The chunks that a module imports as it is loaded; what `import()` names is lazy. */
function imports(path: string): string[] {
  return parseAst(read(path)).body.flatMap((node) => {
    const source =
      node.type === "ImportDeclaration" ||
      node.type === "ExportAllDeclaration" ||
      node.type === "ExportNamedDeclaration"
        ? node.source?.value
        : undefined;
    return typeof source === "string" ? [posix.join(posix.dirname(path), source)] : [];
  });
}

/** Files that are loaded in any case, from the page on. */
function firstLoad(): string[] {
  const page = read("index.html");
  const named = [...page.matchAll(/(?:src|href)="\/([^"]+)"/g)].map(([, path]) => path ?? "");
  const worker = readdirSync(join(DIST, "assets")).filter((name) => /^worker-.*\.js$/.test(name));
  const found = new Set(["index.html", "sw.js", ...named]);
  const entry = named.find((path) => path.endsWith(".js"));
  // The page starts it at once, by its name.
  for (const name of worker)
    if (entry && read(entry).includes(`assets/${name}`)) found.add(`assets/${name}`);
  for (const path of found)
    if (path.endsWith(".js") && path !== "sw.js") for (const next of imports(path)) found.add(next);
  return [...found];
}

test("the first load has a budget, without what is lazy", () => {
  expect(existsSync(join(DIST, "release.json")), "build the page first: npm run build").toBe(true);
  const sizes = firstLoad().map((path): [string, number] => [
    path,
    gzipSync(readFileSync(join(DIST, path)), { level: 9 }).length,
  ]);
  const sum = sizes.reduce((all, [, size]) => all + size, 0);
  const told = sizes.sort(([, a], [, b]) => b - a).map(([path, size]) => `${size} ${path}`);
  expect(sum, `${sum} bytes:\n${told.join("\n")}`).toBeLessThan(BUDGET);
  // The page, its styles and the engine are among them: the sum is of what it says it is.
  expect(told.filter((one) => /index-.*\.js|index-.*\.css|worker-.*\.js/.test(one))).toHaveLength(
    3,
  );
  expect(sum).toBeGreaterThan(100_000);
});

test("what few people need is fetched when it is needed", () => {
  const first = firstLoad();
  const lazy = readdirSync(join(DIST, "assets")).filter(
    (name) => !first.includes(`assets/${name}`),
  );
  // ML-DSA is not among them: every phone checks the signed head of its relay's log.
  for (const name of ["decode", "qr", "nist", "ed448", "chacha"])
    expect(
      lazy.some((one) => one.startsWith(`${name}-`)),
      name,
    ).toBe(true);
});
