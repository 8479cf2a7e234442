/** Bundles a driver for Node: `vite build --config tests/node/vite.config.ts` with DRIVER and OUT set. */

import { defineConfig } from "vite";
import { mendTsMls } from "../../src/mls/mends.ts";

const { DRIVER = "", OUT = "" } = process.env;

export default defineConfig({
  plugins: [mendTsMls()],
  logLevel: "warn",
  build: {
    ssr: `tests/node/${DRIVER}.ts`,
    outDir: OUT,
    target: "node20",
    minify: false,
    rolldownOptions: { output: { entryFileNames: "[name].mjs" } },
  },
  ssr: { noExternal: true },
});
