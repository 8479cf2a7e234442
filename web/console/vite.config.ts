import { svelte } from "@sveltejs/vite-plugin-svelte";
import tailwindcss from "@tailwindcss/vite";
import { defineConfig } from "vitest/config";
import { integrity } from "./build/plugin.ts";

export default defineConfig({
  base: "/console/",
  plugins: [svelte(), tailwindcss(), integrity()],
  // Parts of the phone's page are used here: they run in this page's Svelte.
  resolve: { dedupe: ["svelte"] },
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1500,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node", testTimeout: 60_000 },
});
