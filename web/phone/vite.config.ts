import { svelte } from "@sveltejs/vite-plugin-svelte";
import tailwindcss from "@tailwindcss/vite";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte(), tailwindcss()],
  build: { target: "es2022", modulePreload: { polyfill: false } },
  worker: { format: "es" },
  test: { include: ["tests/**/*.test.ts"], exclude: ["tests/e2e/**"], environment: "node" },
});
