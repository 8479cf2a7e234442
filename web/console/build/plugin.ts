/** After Vite has written the page: subresource integrity. The phone's build takes it into the signed release. */
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Plugin, ResolvedConfig } from "vite";
import { withIntegrity } from "../../phone/build/integrity.ts";

export function integrity(): Plugin {
  let config: ResolvedConfig;
  return {
    name: "chappe-console-integrity",
    apply: "build",
    enforce: "post",
    configResolved(resolved) {
      config = resolved;
    },
    closeBundle() {
      const folder = resolve(config.root, config.build.outDir);
      const page = join(folder, "index.html");
      const read = (path: string) => readFileSync(join(folder, path));
      writeFileSync(page, withIntegrity(readFileSync(page, "utf8"), read));
    },
  };
}
