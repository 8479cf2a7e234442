import { join } from "node:path";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import tailwindcss from "@tailwindcss/vite";
import { defineConfig } from "vitest/config";
import { release } from "./build/plugin.ts";
import { mendTsMls } from "./src/mls/mends.ts";

export default defineConfig({
  plugins: [
    mendTsMls(),
    svelte(),
    tailwindcss(),
    release(import.meta.dirname, join(import.meta.dirname, "../console/dist")),
  ],
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    // Nothing inline: data: is for pictures that people send.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1500,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  // A worker is a bundle of its own, with plugins of its own.
  worker: { format: "es", plugins: () => [mendTsMls()] },
  optimizeDeps: { exclude: ["ts-mls"] },
  test: {
    include: ["tests/**/*.test.ts"],
    exclude: ["tests/e2e/**"],
    environment: "node",
    // Some start a relay, on machines that do other things, too.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Node 20 has a WebSocket, but not by default.
    execArgv: ["--experimental-websocket"],
    server: { deps: { inline: ["ts-mls"] } },
  },
});
