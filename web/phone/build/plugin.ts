/** After Vite has written the page: integrity, the service worker, and the signed manifest over all of it. */
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { build, type Plugin, type ResolvedConfig } from "vite";
import { withIntegrity } from "./integrity.ts";
import { releaseKey } from "./key.ts";
import { writeManifest } from "./manifest.ts";

/** `console_`: the console's built page, which is of the same release, at `/console/`; none where it is not built. */
export function release(root: string, console_ = ""): Plugin {
  let config: ResolvedConfig;
  return {
    name: "chappe-release",
    apply: "build",
    enforce: "post",
    configResolved(resolved) {
      config = resolved;
    },
    closeBundle: {
      sequential: true,
      order: "post",
      async handler() {
        const folder = resolve(config.root, config.build.outDir);
        const page = join(folder, "index.html");
        const read = (path: string) => readFileSync(join(folder, path));
        writeFileSync(page, withIntegrity(readFileSync(page, "utf8"), read));
        const key = releaseKey(root);
        await buildWorker(root, folder, key.pinned);
        if (console_ !== "" && existsSync(console_))
          cpSync(console_, join(folder, "console"), { recursive: true });
        const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
        const serial = Number(process.env.SOURCE_DATE_EPOCH ?? Math.floor(Date.now() / 1000));
        const manifest = writeManifest(folder, version, serial, key);
        config.logger.info(`release ${manifest.bundle} (${manifest.files.length} files)`);
      },
    },
  };
}

/** One classic script at the root, without imports: its scope is the whole page. */
async function buildWorker(root: string, outDir: string, pinned: string): Promise<void> {
  await build({
    configFile: false,
    root,
    logLevel: "warn",
    publicDir: false,
    define: { __RELEASE_KEY__: JSON.stringify(pinned) },
    build: {
      outDir,
      emptyOutDir: false,
      target: "es2022",
      lib: { entry: join(root, "src/sw/main.ts"), formats: ["iife"], name: "sw" },
      rollupOptions: { output: { entryFileNames: "sw.js" } },
    },
  });
}
