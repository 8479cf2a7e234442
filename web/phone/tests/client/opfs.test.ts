import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { createServer } from "vite";
import { expect, test } from "vitest";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((path) =>
  existsSync(path),
);

if (CHROMIUM === undefined && process.env.CI === "true") {
  throw new Error("these tests must run in CI: no Chromium");
}

test.skipIf(CHROMIUM === undefined)(
  "a file goes on where a worker that was ended has left it, in Chromium",
  async () => {
    const server = await createServer({
      configFile: false,
      root: process.cwd(),
      logLevel: "error",
      server: { host: "127.0.0.1", port: 0, hmr: false, ws: false, preTransformRequests: false },
      optimizeDeps: { noDiscovery: true, include: [] },
    });
    await server.listen();
    const browser = await chromium.launch({
      executablePath: CHROMIUM ?? "",
      args: ["--no-sandbox"],
    });
    try {
      const page = await browser.newPage();
      await page.goto(`${server.resolvedUrls?.local[0]}tests/client/blank.html`);
      const found = await page.evaluate(async () => {
        const ask = (worker: Worker, what: string): Promise<unknown> =>
          new Promise((resolve) => {
            worker.onmessage = (event) => resolve(event.data);
            worker.onerror = (event) => resolve({ problem: event.message });
            worker.postMessage(what);
          });
        const start = () => new Worker("/tests/client/opfsWorker.ts", { type: "module" });
        const first = start();
        await ask(first, "begin");
        first.terminate();
        return ask(start(), "goOn");
      });
      expect(found).toEqual({ seen: 20, same: true, size: true, whole: true, at: 1, left: [] });
    } finally {
      await browser.close();
      await server.close();
    }
  },
);
