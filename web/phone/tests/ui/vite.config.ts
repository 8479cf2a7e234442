/** The demo as a release of its own, so that a real relay serves it under its real policy. */
import { join } from "node:path";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import tailwindcss from "@tailwindcss/vite";
import { defineConfig } from "vite";
import { release } from "../../build/plugin.ts";

const phone = join(import.meta.dirname, "..", "..");

export default defineConfig({
  root: import.meta.dirname,
  publicDir: join(phone, "public"),
  plugins: [svelte(), tailwindcss(), release(phone)],
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    emptyOutDir: true,
  },
});
