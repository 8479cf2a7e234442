/** Files of messages in the page: nothing of one stays behind a view that is gone, and saving always ends. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FileView, HAND_OVER_MS } from "../../src/ui/media/files.svelte.ts";
import type { Session } from "../../src/ui/model/session.svelte.ts";
import { message } from "./data.ts";

let urls: Set<string>;
let clicked: { href: string; download: string }[];

beforeEach(() => {
  urls = new Set();
  clicked = [];
  vi.spyOn(URL, "createObjectURL").mockImplementation(() => {
    const url = `blob:${urls.size + 1}`;
    urls.add(url);
    return url;
  });
  vi.spyOn(URL, "revokeObjectURL").mockImplementation((url) => void urls.delete(url));
  vi.stubGlobal("document", {
    createElement: () => {
      const link = { href: "", download: "", click: () => clicked.push(link) };
      return link;
    },
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

function view(phone: object): FileView {
  const session = { phone, attempt: (doing: Promise<unknown>) => doing, say: () => {} };
  return new FileView(session as unknown as Session, () => message("c1", "b@a.example", 1, {}));
}

test("a file that comes once its view is gone, as at locking, stays nowhere", async () => {
  let give: (blob: Blob) => void = () => {};
  const one = view({
    openFile: () =>
      new Promise<Blob>((done) => {
        give = done;
      }),
  });
  const opening = one.open(true);
  one.close();
  give(new Blob(["secret"]));
  expect(await opening).toBeUndefined();
  expect(one.url).toBe("");
  expect([...urls]).toEqual([]);
});

test("a service worker of an earlier release, which takes no stream, keeps nobody waiting", async () => {
  vi.useFakeTimers();
  const worker = { postMessage: () => {} };
  vi.stubGlobal("navigator", { serviceWorker: { controller: worker } });
  const one = view({
    readFile: async () => new ReadableStream(),
    openFile: async () => new Blob(["all of it"]),
  });
  const saving = one.save("report.pdf");
  await vi.advanceTimersByTimeAsync(HAND_OVER_MS + 1);
  await saving;
  expect(one.busy).toBe(false);
  expect(clicked).toEqual([expect.objectContaining({ href: "blob:1", download: "report.pdf" })]);
});

test("a service worker that takes the stream is asked for it", async () => {
  const worker = {
    postMessage: (_: unknown, [, port]: [unknown, MessagePort]) => port.postMessage("ready"),
  };
  vi.stubGlobal("navigator", { serviceWorker: { controller: worker } });
  const one = view({ readFile: async () => new ReadableStream() });
  await one.save("report.pdf");
  expect(clicked).toEqual([
    expect.objectContaining({ href: expect.stringMatching(/^\/saved\/.{36}$/) }),
  ]);
  expect([...urls]).toEqual([]);
});
