/** Builds the page that the browser's tests of the vault drive: `OUT=folder vite build --config …`. */

import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  logLevel: "warn",
  worker: { format: "es" },
  build: { outDir: process.env.OUT ?? "", target: "es2022", emptyOutDir: true },
});
